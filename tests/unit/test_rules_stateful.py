from __future__ import annotations

from differential.lives import live


def test_an_alert_lives_as_the_plain_model_says() -> None:
    live(500)
