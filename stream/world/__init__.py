"""The synthetic world: scenes to see and hear, questions about them, and the true answers.

A plot (``plot``, ``milestones``, ``tasks``, ``lessons``) tells segments, a scene draws (``draw``)
and sounds (``tones``) them, ``questions`` asks, and ``split`` says which things are held out.
It knows nothing of media; ``stream.source`` makes a source of a scene.
"""
