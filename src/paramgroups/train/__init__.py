"""The main job: a model trained by a plan and schedules, and compared with one group at a constant lr.

Knows jobs made of plain objects; knows nothing of the text they were read from.
"""

__all__: list[str] = []
