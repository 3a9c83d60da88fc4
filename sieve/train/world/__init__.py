"""The synthetic world as material: streams as a session would receive them, and their truth.

``render`` films a scene, part of it through the codecs of WebRTC (``codec``); ``windows`` cuts it
as the engine takes it; ``truth`` says what every token of it shows and sounds. Training and
evaluation read the same streams.
"""
