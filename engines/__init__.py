"""The models: pictures, sound and motion go in, pictures, sound and motion come out; no network."""

import os

# ONNX Runtime tells Microsoft of each process and network from version 1.29 on, by an identity that
# it keeps in the user's cache. It looks at this when it is imported, before it can be asked not to.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
