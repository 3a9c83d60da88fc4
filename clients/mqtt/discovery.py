"""What Home Assistant is told of a session, so that it shows up there by itself. Pure.

One retained message a session under `homeassistant/device/<id>/config` (Home Assistant's
device-based discovery): `dev` the device, `o` the origin, `cmps` its entities.
"""

from __future__ import annotations

import json
from typing import Any, get_args

from clients.mqtt.mapping import Story, entity, place
from clients.mqtt.topics import OFFLINE, ONLINE, Message, Topics
from session import wire

LONGEST_TEXT = 255  # that Home Assistant takes as a state

Entity = dict[str, Any]


def device(topics: Topics, story: Story) -> Message:
    """The retained description of a session with its watches."""
    id = f"{topics.prefix}_{story.name}".replace("/", "_")
    entities = _session(topics, story.name)
    for watch in story.watches.values():
        entities[entity(watch)] = _watch(topics, story.name, watch)
    for key, described in entities.items():
        described["unique_id"] = f"{id}_{key}"
    for gone in story.removed:  # one that only names its platform is taken away
        entities[gone] = {"p": platform_of(gone)}
    told = {
        "dev": {"ids": [id], "name": story.name, "mf": "EchoSieve"},
        "o": {"name": "EchoSieve"},
        "avty_t": topics.available,
        "pl_avail": ONLINE,
        "pl_not_avail": OFFLINE,
        "cmps": entities,
    }
    return Message(topics.device(story.name), json.dumps(told).encode(), retain=True)


def _session(topics: Topics, name: str) -> dict[str, Entity]:
    """The entities that every session has."""
    return {
        "state": _state(topics, name),
        "source": _source(topics, name),
        "instruction": _instruction(topics, name),
        "retention": _retention(topics, name),
        "snapshot": _snapshot(topics, name),
    }


def _state(topics: Topics, name: str) -> Entity:
    return {
        "p": "sensor",
        "name": "State",
        "stat_t": topics.of(name, "state"),
        "val_tpl": "{{ value_json.state }}",
        "dev_cla": "enum",
        "ops": list(get_args(wire.SessionState)),
    }


def _source(topics: Topics, name: str) -> Entity:
    return {
        "p": "binary_sensor",
        "name": "Source",
        "stat_t": topics.source(name),
        "val_tpl": "{{ value_json.status }}",
        "pl_on": "up",
        "pl_off": "down",
        "dev_cla": "connectivity",
        "ent_cat": "diagnostic",
    }


def _instruction(topics: Topics, name: str) -> Entity:
    return {
        "p": "text",
        "name": "Instruction",
        "stat_t": topics.of(name, "instruction", "state"),
        "val_tpl": f"{{{{ value[:{LONGEST_TEXT}] }}}}",
        "cmd_t": topics.of(name, "instruction", "set"),
        "max": LONGEST_TEXT,
    }


def _retention(topics: Topics, name: str) -> Entity:
    return {
        "p": "number",
        "name": "Retention",
        "stat_t": topics.of(name, "retention", "state"),
        "cmd_t": topics.of(name, "retention", "set"),
        "min": 0.001,
        "max": 1.0,
        "step": 0.001,
        "ent_cat": "config",
    }


def _snapshot(topics: Topics, name: str) -> Entity:
    return {
        "p": "image",
        "name": "Newest event",
        "image_topic": topics.of(name, "snapshot"),
        "content_type": "image/jpeg",
    }


def _watch(topics: Topics, name: str, watch: wire.Watch) -> Entity:
    """A sensor whose state is the number, or a lamp."""
    shown = {"name": watch.query, "stat_t": topics.of(name, *place(watch), "state")}
    platform = platform_of(entity(watch))
    if platform == "sensor":
        return {"p": platform, **shown, "stat_cla": "measurement"}
    return {"p": platform, **shown, "pl_on": "ON", "pl_off": "OFF"}


def platform_of(key: str) -> str:
    """Of the entity of a watch, that may be no more."""
    return "sensor" if key.startswith("count_") else "binary_sensor"
