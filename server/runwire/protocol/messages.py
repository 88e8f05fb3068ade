"""What a person says into a live run, as events of its log. Floor 2; any thread; pure."""

from __future__ import annotations

from typing import Any

MESSAGE = "runwire.message"


def message_events(message_id: str, content: Any, sender: str, sent_ms: int) -> list[dict[str, Any]]:
    """Return the events of a message that the run has taken: AG-UI's text message in the role ``user`` for a text,
    ``CUSTOM runwire.message`` for any other value.
    """
    if not isinstance(content, str):
        value = {"id": message_id, "content": content, "from": sender, "sent_ms": sent_ms}
        return [{"type": "CUSTOM", "name": MESSAGE, "value": value}]
    facts = {"runwire": {"from": sender, "sent_ms": sent_ms}}
    return [
        {"type": "TEXT_MESSAGE_START", "messageId": message_id, "role": "user", "metadata": facts},
        {"type": "TEXT_MESSAGE_CONTENT", "messageId": message_id, "delta": content},
        {"type": "TEXT_MESSAGE_END", "messageId": message_id},
    ]
