"""The short script that an engine is compared with: onnxruntime and OpenCV, nothing checked. Used by cold_start.

Arguments: one JSON object with model, image, height, width, max_value, mean, std, threads, frames.
"""

import json
import sys
import time
from pathlib import Path

started = time.perf_counter()
import cv2
import numpy as np
import onnxruntime as ort  # noqa: TID253

imported = time.perf_counter()
given = json.loads(sys.argv[1])
options = ort.SessionOptions()
options.intra_op_num_threads = given["threads"]
session = ort.InferenceSession(given["model"], options, providers=["CPUExecutionProvider"])
loaded = time.perf_counter()


def classify(path: str) -> int:
    """Number of the likeliest class."""
    pixels = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    assert pixels is not None
    pixels = cv2.resize(pixels, (given["width"], given["height"]), interpolation=cv2.INTER_AREA)
    image = (pixels.astype(np.float32) / given["max_value"] - given["mean"][0]) / given["std"][0]
    logits = session.run(None, {session.get_inputs()[0].name: image[None, None].astype(np.float32)})[0][0]
    raised = np.exp(logits - logits.max())
    return int((raised / raised.sum()).argmax())


number = classify(given["image"])
print(number, flush=True)
first = time.perf_counter()
for _ in range(given["frames"]):
    classify(given["image"])
print(
    json.dumps(
        {
            "ms": {
                "import": 1e3 * (imported - started),
                "load": 1e3 * (loaded - imported),
                "first_frame": 1e3 * (first - loaded),
            },
            "status": Path("/proc/self/status").read_text(encoding="ascii"),
        }
    )
)
