"""Small networks in PyTorch, of our own definition and random weights: one for each way in which people build them.

Imported only where torch is there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - as everybody calls it

__all__ = ["ConvNext", "Decoder", "DigitsCnn", "Encoder", "MobileNet", "ResNet", "Tagger", "Vit", "seeded"]


def seeded(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module in evaluation mode; weights and running statistics drawn anew, with nobody's generator touched."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        drawn = torch.rand(tensor.shape, generator=generator) - 0.5
        fan = max(tensor[0].numel(), 1) if tensor.dim() > 1 else 1
        if name.endswith("running_var") or (name.endswith("weight") and tensor.dim() == 1):
            drawn += 1.0
        tensor.copy_(drawn * (3.0 / fan) ** 0.5 if tensor.dim() > 1 else drawn)
    return module.eval()


class DigitsCnn(nn.Module):
    """Convolutions with BatchNorm, a dropout, and a pool that leaves one pixel."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
        )
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(2 * width, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.dropout(self.features(image).flatten(1)))


class _Inverted(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int, expand: int = 4) -> None:
        super().__init__()
        wide = inside * expand
        self.expand = nn.Sequential(nn.Conv2d(inside, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6())
        depthwise = nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False)
        self.depthwise = nn.Sequential(depthwise, nn.BatchNorm2d(wide), nn.ReLU6())
        self.project = nn.Sequential(nn.Conv2d(wide, outside, 1, bias=False), nn.BatchNorm2d(outside))
        self.shortcut = stride == 1 and inside == outside

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


class MobileNet(nn.Module):
    """Inverted residuals, as MobileNetV2 has them; the mean over the picture written as a mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6())
        self.blocks = nn.Sequential(_Inverted(8, 8, 1), _Inverted(8, 16, 2), _Inverted(16, 16, 1))
        self.head = nn.Linear(16, 5)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(image)).mean([2, 3]))


class _Residual(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.downsample = nn.Sequential()
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class ResNet(nn.Module):
    """Residual blocks, a pool in front, `torch.flatten` at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(_Residual(8, 8, 1), _Residual(8, 16, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(16, 7)

    def forward(self, image: Tensor) -> Tensor:
        y = self.layer1(self.maxpool(F.relu(self.bn1(self.conv1(image)))))
        return self.fc(torch.flatten(self.avgpool(y), 1))


class _Attention(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.proj = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, hidden = x.shape
        query, key, value = self.qkv(x).reshape(batch, length, 3, self.heads, hidden // self.heads).unbind(2)
        mixed = F.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
        return self.proj(mixed.transpose(1, 2).reshape(batch, length, hidden))


class _VitBlock(nn.Module):
    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(hidden)
        self.attn = _Attention(hidden, heads)
        self.norm2 = nn.LayerNorm(hidden)
        self.mlp = nn.Sequential(nn.Linear(hidden, 4 * hidden), nn.GELU(), nn.Linear(4 * hidden, hidden))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    """A vision transformer: patches by a convolution, a class token, `scaled_dot_product_attention`."""

    def __init__(self, hidden: int = 32, depth: int = 2, heads: int = 4) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, hidden, 8, 8)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, hidden))
        self.pos_embed = nn.Parameter(torch.zeros(1, 17, hidden))
        self.blocks = nn.ModuleList(_VitBlock(hidden, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 6)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patch_embed(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class _NextBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pwconv1 = nn.Linear(width, 4 * width)
        self.pwconv2 = nn.Linear(4 * width, width)
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


class ConvNext(nn.Module):
    """Large depthwise kernels, LayerNorm in channels-last order, GELU, a scale per channel."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.stages = nn.Sequential(_NextBlock(width), _NextBlock(width))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, 4)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.norm(self.stages(self.stem(image)).mean([-2, -1])))


class Tagger(nn.Module):
    """An embedding, an LSTM in both directions, a label for every word."""

    def __init__(self, vocabulary: int = 50, hidden: int = 12) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 16)
        self.lstm = nn.LSTM(16, hidden, batch_first=True, bidirectional=True)
        self.tag = nn.Linear(2 * hidden, 9)

    def forward(self, words: Tensor) -> Tensor:
        return self.tag(self.lstm(self.embedding(words))[0])


class Encoder(nn.Module):
    """A text encoder of torch's own layers: what is padding is masked, the rest averaged and normalized."""

    def __init__(self, vocabulary: int = 60, hidden: int = 32, context: int = 24) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, hidden)
        self.positions = nn.Embedding(context, hidden)
        layer = nn.TransformerEncoderLayer(hidden, 4, 2 * hidden, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.register_buffer("order", torch.arange(context), persistent=False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.words(input_ids) + self.positions(self.order[: input_ids.shape[1]])
        x = self.encoder(x, src_key_padding_mask=attention_mask == 0)
        kept = attention_mask.unsqueeze(-1).to(x.dtype)
        return F.normalize((x * kept).sum(1) / kept.sum(1), dim=-1)


class _RmsNorm(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(hidden))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5))


class _CachedAttention(nn.Module):
    def __init__(self, hidden: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.size = heads, kv_heads, hidden // heads
        self.q_proj = nn.Linear(hidden, hidden, bias=False)
        self.k_proj = nn.Linear(hidden, kv_heads * self.size, bias=False)
        self.v_proj = nn.Linear(hidden, kv_heads * self.size, bias=False)
        self.o_proj = nn.Linear(hidden, hidden, bias=False)

    def forward(
        self, x: Tensor, turn: tuple[Tensor, Tensor], bias: Tensor, past: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, length, hidden = x.shape
        query = _turned(self.q_proj(x).view(batch, length, self.heads, self.size).transpose(1, 2), turn)
        key = _turned(self.k_proj(x).view(batch, length, self.kv_heads, self.size).transpose(1, 2), turn)
        value = self.v_proj(x).view(batch, length, self.kv_heads, self.size).transpose(1, 2)
        key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        shared = self.heads // self.kv_heads
        keys, values = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=bias)
        return self.o_proj(mixed.transpose(1, 2).reshape(batch, length, hidden)), key, value


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * turn[0] + torch.cat([-second, first], -1) * turn[1]


class _Mlp(nn.Module):
    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, 2 * hidden, bias=False)
        self.up_proj = nn.Linear(hidden, 2 * hidden, bias=False)
        self.down_proj = nn.Linear(2 * hidden, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class _Layer(nn.Module):
    def __init__(self, hidden: int, heads: int, kv_heads: int) -> None:
        super().__init__()
        self.input_layernorm = _RmsNorm(hidden)
        self.self_attn = _CachedAttention(hidden, heads, kv_heads)
        self.post_attention_layernorm = _RmsNorm(hidden)
        self.mlp = _Mlp(hidden)


class Decoder(nn.Module):
    """A llama-like decoder: rotary positions, grouped heads, RMSNorm, SwiGLU, and a cache in and out."""

    def __init__(self, vocabulary: int = 40, hidden: int = 32, heads: int = 4, kv_heads: int = 2) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, hidden)
        self.layers = nn.ModuleList(_Layer(hidden, heads, kv_heads) for _ in range(2))
        self.norm = _RmsNorm(hidden)
        self.lm_head = nn.Linear(hidden, vocabulary, bias=False)
        size = hidden // heads
        self.register_buffer("inv_freq", 10000.0 ** (-torch.arange(0, size, 2) / size), persistent=False)

    def forward(
        self, input_ids: Tensor, past_key_0: Tensor, past_value_0: Tensor, past_key_1: Tensor, past_value_1: Tensor
    ) -> dict[str, Tensor]:
        past, length = past_key_0.shape[2], input_ids.shape[1]
        rows, columns = torch.arange(length) + past, torch.arange(length + past)
        bias = torch.where(columns[None, :] <= rows[:, None], 0.0, -1e9)
        angles = torch.cat(2 * [rows[:, None] * self.inv_freq[None, :]], -1)
        turn = (angles.cos(), angles.sin())
        x, found = self.embed_tokens(input_ids), {}
        caches = ((past_key_0, past_value_0), (past_key_1, past_value_1))
        for index, (layer, cache) in enumerate(zip(self.layers, caches, strict=True)):
            mixed, key, value = layer.self_attn(layer.input_layernorm(x), turn, bias, cache)
            found |= {f"present_key_{index}": key, f"present_value_{index}": value}
            x = x + mixed
            x = x + layer.mlp(layer.post_attention_layernorm(x))
        return {"logits": self.lm_head(self.norm(x)), **found}
