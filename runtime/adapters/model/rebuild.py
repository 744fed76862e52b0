"""Rebuilds all-MiniLM-L6-v2-int8.onnx from the public weights.

Needs torch, transformers, onnx and onnxruntime, none of which (but the last) the project depends
on; run it in an environment of its own:

    pip install torch transformers onnx onnxruntime
    python rebuild.py FOLDER_OR_NAME_OF_THE_WEIGHTS OUT_FOLDER

The graph takes `input_ids` and `attention_mask` (int64, batch × sequence) and gives `e` (float32,
batch × 384): the mean of the last hidden states over the mask, L2-normalized. Dynamic int8
quantization follows. Other versions of torch and onnxruntime write other bytes; the vectors agree
closely, not exactly, so a rebuilt file is a new model: give OnnxEmbedder a new name for it.
"""

from __future__ import annotations

import sys
from pathlib import Path


def rebuild(weights: str, out: Path) -> Path:
    """Export and quantize; returns the path of the int8 model."""
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from transformers import AutoModel, AutoTokenizer

    class Sentence(torch.nn.Module):  # type: ignore[misc]
        """The encoder with mean pooling and normalization in the graph."""

        def __init__(self) -> None:
            super().__init__()
            self.encoder = AutoModel.from_pretrained(weights)

        def forward(self, input_ids: object, attention_mask: object) -> object:
            hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask)[0]
            mask = attention_mask.unsqueeze(-1).to(hidden.dtype)  # type: ignore[attr-defined]
            mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
            return torch.nn.functional.normalize(mean, p=2, dim=1)

    out.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(weights)
    tokenizer.backend_tokenizer.save(str(out / "tokenizer.json"))
    sample = tokenizer(["one text", "another, longer text"], padding=True, return_tensors="pt")
    full = out / "all-MiniLM-L6-v2.onnx"
    axes = {0: "batch", 1: "sequence"}
    torch.onnx.export(
        Sentence().eval(),
        (sample["input_ids"], sample["attention_mask"]),
        str(full),
        input_names=["input_ids", "attention_mask"],
        output_names=["e"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "e": {0: "batch"}},
        opset_version=17,
    )
    small = out / "all-MiniLM-L6-v2-int8.onnx"
    quantize_dynamic(str(full), str(small), weight_type=QuantType.QInt8)
    full.unlink()
    return small


if __name__ == "__main__":
    sys.stdout.write(f"{rebuild(sys.argv[1], Path(sys.argv[2]))}\n")
