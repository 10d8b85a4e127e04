"""What a device does: open an engine, classify an image file. Used by cold_start.

Arguments: one JSON object with engine, image, precision, threads, self_test, frames.
"""

import json
import sys
import time

started = time.perf_counter()
from pathlib import Path

from edgeneuro.data.decode import read_frame
from edgeneuro.runtime import open_engine

imported = time.perf_counter()
given = json.loads(sys.argv[1])
engine = open_engine(
    given["engine"], precision=given["precision"], threads=given["threads"], self_test=given["self_test"]
)
opened = time.perf_counter()
label = engine.classify(read_frame(Path(given["image"]))).label
print(engine.manifest.classes.index(label), flush=True)
first = time.perf_counter()
for _ in range(given["frames"]):
    engine(read_frame(Path(given["image"])))
print(
    json.dumps(
        {
            "ms": {"import": 1e3 * (imported - started), **engine.start_ms, "first_frame": 1e3 * (first - opened)},
            "status": Path("/proc/self/status").read_text(encoding="ascii"),
        }
    )
)
