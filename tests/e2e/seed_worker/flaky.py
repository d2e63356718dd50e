"""Fails as often as its package says, and then succeeds; OSS remembers how often it was tried."""

import os
import sys

import oss_tool

oss, conf = oss_tool.of_this_worker()
tries = f"{conf['pre']}/tries/{os.environ['BATCH_COMPUTE_DAG_INSTANCE_ID']}"
try:
    before = int(oss.get_data(tries))
except RuntimeError:
    before = 0
oss.put_data(str(before + 1), tries)
if before < conf["failures"]:
    sys.exit(f"try {before + 1} fails")
print(f"try {before + 1} succeeds")
