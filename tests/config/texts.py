"""Texts that the tests of the config share."""

from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "config" / "stagewatch.example.yaml"
ENV = {
    "MAXCOMPUTE_ACCESS_ID": "an-id",
    "MAXCOMPUTE_ACCESS_KEY": "a-made-up-key",
    "BATCHCOMPUTE_ACCESS_ID": "an-id",
    "BATCHCOMPUTE_ACCESS_KEY": "a-made-up-key-for-jobs",
    "HOOK_AUTHORIZATION": "Bearer a-made-up-token",
}

SMALLEST = """
sources:
  - {type: maxcompute, name: warehouse, endpoint: "https://service.maxcompute.example/api", projects: [analytics],
     access_id: me, access_key: a-made-up-key}
"""
