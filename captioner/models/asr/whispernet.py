"""Whisper in torch: an encoder for contexts of any length, and a decoder over caches of a fixed size.

Plain functions over the weights, so that every step is the same kernels on the same memory and can be recorded as a
CUDA graph.
"""

from __future__ import annotations

from typing import Any

from captioner.models.asr.whisperweights import WhisperWeights

FEW = 8
"""Queries a row up to which they are few."""


class Net:
    """Weights on their device, half precision on a GPU."""

    def __init__(self, weights: WhisperWeights, device: Any, kind: Any) -> None:
        import torch

        self.heads = weights.heads
        self.width = weights.width
        self.encoder_layers, self.decoder_layers = weights.encoder_layers, weights.decoder_layers
        self.alignment_heads = weights.alignment_heads
        self.device, self.kind = device, kind
        if device.type == "cuda":
            torch.backends.cuda.enable_cudnn_sdp(False)  # plans anew for every size and thread, as its convolutions
        self.by_products = device.type == "cuda"
        """Whether a few queries listen by two products of matrices: half of the time that the kernel takes which knows
        masks, measured with 48 to 128 rows; those products are near what the memory gives."""
        self._own = {
            name: tensor.to(device, kind)
            for name, tensor in weights.tensors.items()
            if isinstance(tensor, torch.Tensor) and tensor.is_floating_point()
        }
        self._places = self._own["decoder/position_encodings/encodings"]
        self._words = self._own["decoder/embeddings/weight"]
        self.vocabulary = len(self._words)

    # -- parts -------------------------------------------------------------------------------------------------------

    def _linear(self, x: Any, name: str) -> Any:
        import torch.nn.functional as f

        return f.linear(x, self._own[f"{name}/weight"], self._own[f"{name}/bias"])

    def _norm(self, x: Any, name: str) -> Any:
        import torch.nn.functional as f

        return f.layer_norm(x, (self.width,), self._own[f"{name}/gamma"], self._own[f"{name}/beta"])

    def _feed(self, x: Any, name: str) -> Any:
        import torch.nn.functional as f

        inner = f.gelu(self._linear(self._norm(x, f"{name}/layer_norm"), f"{name}/linear_0"))
        return x + self._linear(inner, f"{name}/linear_1")

    def _parted(self, x: Any, parts: int) -> Any:
        """(rows, places, parts * width) -> (parts, rows, heads, places, depth)."""
        rows, places, _ = x.shape
        return x.view(rows, places, parts, self.heads, self.width // self.heads).permute(2, 0, 3, 1, 4)

    def _joined(self, x: Any) -> Any:
        rows, _, places, _ = x.shape
        return x.transpose(1, 2).reshape(rows, places, self.width)

    def _convolved(self, x: Any, name: str, step: int) -> Any:
        """(rows, places, bands) -> (rows, places / step, width). As a product of matrices: cuDNN plans a convolution
        anew for every size, and for every thread, which takes longer than the encoder."""
        import torch.nn.functional as f

        weight = self._own[f"{name}/weight"]  # (width, bands, 3)
        near = f.pad(x, (0, 0, 1, 1)).unfold(1, weight.shape[2], step)  # (rows, places, bands, 3)
        return f.linear(near.flatten(2), weight.flatten(1), self._own[f"{name}/bias"])

    # -- encoder -----------------------------------------------------------------------------------------------------

    def encode(self, mel: Any) -> Any:
        """(rows, bands, frames) -> (rows, frames / 2, width)."""
        import torch.nn.functional as f

        own = self._own
        x = f.gelu(self._convolved(mel.to(self.kind).transpose(1, 2), "encoder/conv1", 1))
        x = f.gelu(self._convolved(x, "encoder/conv2", 2))
        x = x + own["encoder/position_encodings/encodings"][: x.shape[1]]
        for layer in range(self.encoder_layers):
            name = f"encoder/layer_{layer}"
            inner = self._norm(x, f"{name}/self_attention/layer_norm")
            q, k, v = self._parted(self._linear(inner, f"{name}/self_attention/linear_0"), 3)
            attended = f.scaled_dot_product_attention(q, k, v)
            x = x + self._linear(self._joined(attended), f"{name}/self_attention/linear_1")
            x = self._feed(x, f"{name}/ffn")
        return self._norm(x, "encoder/layer_norm")

    # -- decoder -----------------------------------------------------------------------------------------------------

    def cross(self, states: Any, layer: int) -> Any:
        """Keys and values of the encoder's states for one layer: (2, rows, heads, places, depth)."""
        return self._parted(self._linear(states, f"decoder/layer_{layer}/attention/linear_1"), 2)

    def heard(self, places: int, own: Any) -> Any:
        """What each row may hear of `places`: 0 or minus infinity, (rows, 1, 1, places); None where it may hear all."""
        import torch

        if own is None:
            return None
        outside = torch.arange(places, device=self.device)[None, :] >= own[:, None]
        return torch.zeros(outside.shape, dtype=self.kind, device=self.device).masked_fill(outside, -torch.inf)[
            :, None, None
        ]

    def decode(
        self, tokens: Any, place: Any, keep: Any, crosses: Any, mask: Any, heard: Any = None, seen: Any = None
    ) -> Any:
        """One pass over `tokens` (rows, n), which stand at `place` (n,): hidden states (rows, n, width).

        `keep(layer, new)` puts the new keys and values (2, rows, heads, n, depth) away and gives all there are;
        `mask` says which of those each place may see. `crosses(layer)` are the keys and values of the sound, for as
        many rows or for every k-th, and `heard` says which of them a row may hear. `seen(layer, queries, keys)` is
        called with the attention to the sound.
        """
        import torch.nn.functional as f

        x = self._words[tokens] + self._places[place]
        rows, count, _ = x.shape
        for layer in range(self.decoder_layers):
            name = f"decoder/layer_{layer}"
            inner = self._norm(x, f"{name}/self_attention/layer_norm")
            parted = self._parted(self._linear(inner, f"{name}/self_attention/linear_0"), 3)
            attended = f.scaled_dot_product_attention(parted[0], *keep(layer, parted[1:]), attn_mask=mask)
            x = x + self._linear(self._joined(attended), f"{name}/self_attention/linear_1")
            keys, values = crosses(layer)
            inner = self._linear(self._norm(x, f"{name}/attention/layer_norm"), f"{name}/attention/linear_0")
            (q,) = self._parted(inner.view(len(keys), -1, self.width), 1)
            if seen is not None:
                seen(layer, q, keys)
            attended = self._joined(self._listened(q, keys, values, heard)).view(rows, count, self.width)
            x = x + self._linear(attended, f"{name}/attention/linear_2")
            x = self._feed(x, f"{name}/ffn")
        return self._norm(x, "decoder/layer_norm")

    def _listened(self, q: Any, keys: Any, values: Any, heard: Any) -> Any:
        """Attention of (rows, heads, n, depth) queries to the sound."""
        import torch
        import torch.nn.functional as f

        if not self.by_products or q.shape[2] > FEW:
            return f.scaled_dot_product_attention(q, keys, values, attn_mask=heard)
        scores = (q * q.shape[-1] ** -0.5) @ keys.transpose(2, 3)
        if heard is not None:
            scores = scores + heard
        return torch.softmax(scores, -1, dtype=torch.float32).to(q.dtype) @ values

    def scores(self, hidden: Any, added: Any = None) -> Any:
        """(..., width) -> float32 (..., tokens). `added`: float32, in the same step."""
        found = hidden @ self._words.T
        return found.float() if added is None else found + added
