"""DSTformer: the dual-stream spatio-temporal transformer of MotionBERT (ICCV 2023, arXiv 2210.06551).

Two streams see the same tokens, one joint of one frame each: one attends over the joints of a frame and
then over the frames of a joint (``st``), the other in the reverse order (``ts``); at every depth a
learnt weight per token mixes them (section 3.2 of the paper). Parameters carry the names of published
checkpoints.

Letters: ``B`` batch, ``T`` frames, ``J`` joints, ``C`` features, ``H`` heads, ``N`` sequences of length
``L`` that attention runs along: frames of ``J`` joints, or joints of ``T`` frames.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  # the name torch's own documentation uses
from torch import Tensor, nn

from gaitmb.errors import ConfigurationError

__all__ = ["DSTformer"]

_Layer = Callable[[Tensor, Tensor | None], Tensor]

# PyTorch's default is 1e-5; with it published weights give other poses.
LAYER_NORM_EPSILON = 1e-6

# Tokens worked on at a time when no gradient is wanted: their features stay in the processor's cache,
# which is worth about a tenth of the time on long clips.
TOKENS_AT_A_TIME = 512


def _norm(dim: int) -> nn.LayerNorm:
    return nn.LayerNorm(dim, eps=LAYER_NORM_EPSILON)


def _add_linear(x: Tensor, linear: nn.Linear, y: Tensor) -> Tensor:
    """``x + linear(y)``, the matrix product summed onto the rest; both ``(tokens, features)``."""
    return (x + linear.bias).addmm_(y, linear.weight.t())


class Attention(nn.Module):
    """Multi-head self-attention along sequences of tokens, with its output added to a residual."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.proj = nn.Linear(dim, dim)
        self.qkv = nn.Linear(dim, dim * 3)

    def forward(self, x: Tensor, normed: Tensor, seen: Tensor | None) -> Tensor:
        n, length, dim = x.shape  # (N, L, C)
        qkv = self.qkv(normed).view(n, length, 3, self.num_heads, dim // self.num_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (N, H, L, C/H)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)  # (N, H, L, C/H)
        y = y.transpose(1, 2).reshape(-1, dim)  # (N·L, C)
        return _add_linear(x.reshape(-1, dim), self.proj, y).view(n, length, dim)


class MLP(nn.Module):
    """Two layers with GELU between them, with its output added to a residual."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor, normed: Tensor) -> Tensor:
        n, length, dim = x.shape  # (N, L, C)
        hidden = self.fc1(normed).view(n * length, -1)  # (N·L, C·ratio)
        # In place where no gradient will need what was there: half the memory to go through.
        hidden = F.gelu(hidden) if torch.is_grad_enabled() else torch.ops.aten.gelu_(hidden)
        return _add_linear(x.reshape(-1, dim), self.fc2, hidden).view(n, length, dim)


class Block(nn.Module):
    """A transformer layer over joints (``_s``, space) and one over frames (``_t``, time)."""

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float) -> None:
        super().__init__()
        hidden = int(dim * mlp_ratio)
        self.norm1_s, self.norm1_t = _norm(dim), _norm(dim)
        self.attn_s, self.attn_t = Attention(dim, num_heads), Attention(dim, num_heads)
        self.norm2_s, self.norm2_t = _norm(dim), _norm(dim)
        self.mlp_s, self.mlp_t = MLP(dim, hidden), MLP(dim, hidden)

    def over_joints(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """Each frame's joints attend to one another; ``(N, J, C)`` to the same."""
        x = self.attn_s(x, self.norm1_s(x), seen)
        return self.mlp_s(x, self.norm2_s(x))  # type: ignore[no-any-return]  # modules return Any

    def over_frames(self, x: Tensor, seen: Tensor | None) -> Tensor:
        """Each joint's frames attend to those of them that are `seen`; ``(N, T, C)`` to the same."""
        x = self.attn_t(x, self.norm1_t(x), seen)
        return self.mlp_t(x, self.norm2_t(x))  # type: ignore[no-any-return]  # modules return Any


class PreLogits(nn.Module):
    """From the stream's features to the representation."""

    def __init__(self, dim: int, dim_rep: int) -> None:
        super().__init__()
        self.fc = nn.Linear(dim, dim_rep)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.fc(x))


class DSTformer(nn.Module):
    """From 2D joints over time to 3D joints, by way of a representation of motion.

    Parameters
    ----------
    dim_feat
        Features of a token in the streams, ``C``; 512 in MotionBERT, 256 in LITE.
    dim_rep
        Features of the representation.
    depth
        Number of dual blocks.
    num_heads
        Attention heads ``H``.
    mlp_ratio
        Hidden layer of the blocks' MLP in multiples of `dim_feat`; 2 in MotionBERT, 4 in LITE.
    maxlen
        Longest clip in frames.
    num_joints
        ``J``.
    dim_in
        Numbers per joint that go in: x, y in ``screen`` coordinates and confidence.
    dim_out
        Numbers per joint that come out.

    Examples
    --------
    >>> network = DSTformer(dim_feat=16, dim_rep=24, depth=1, num_heads=2, mlp_ratio=2, maxlen=27)
    >>> clip = torch.zeros(2, 9, 17, 3)
    >>> network(clip).shape, network.represent(clip).shape
    (torch.Size([2, 9, 17, 3]), torch.Size([2, 9, 17, 24]))
    """

    def __init__(
        self,
        dim_feat: int = 512,
        dim_rep: int = 512,
        depth: int = 5,
        num_heads: int = 8,
        mlp_ratio: float = 2,
        maxlen: int = 243,
        num_joints: int = 17,
        dim_in: int = 3,
        dim_out: int = 3,
    ) -> None:
        super().__init__()
        if dim_feat % num_heads:
            raise ConfigurationError(
                f"{dim_feat} features for {num_heads} heads", expected="a multiple of the heads"
            )
        self.maxlen = maxlen
        self.dim_rep = dim_rep
        self.temp_embed = nn.Parameter(torch.zeros(1, maxlen, 1, dim_feat))
        self.pos_embed = nn.Parameter(torch.zeros(1, num_joints, dim_feat))
        self.joints_embed = nn.Linear(dim_in, dim_feat)
        self.blocks_st = nn.ModuleList(Block(dim_feat, num_heads, mlp_ratio) for _ in range(depth))
        self.blocks_ts = nn.ModuleList(Block(dim_feat, num_heads, mlp_ratio) for _ in range(depth))
        self.norm = _norm(dim_feat)
        self.pre_logits = PreLogits(dim_feat, dim_rep)
        self.head = nn.Linear(dim_rep, dim_out)
        self.ts_attn = nn.ModuleList(nn.Linear(dim_feat * 2, 2) for _ in range(depth))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh weights as published: truncated normal 0.02, the streams mixed evenly."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.temp_embed, std=0.02)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for mix in self.ts_attn:
            assert isinstance(mix, nn.Linear)  # noqa: S101  # a ModuleList forgets what it holds
            nn.init.zeros_(mix.weight)
            nn.init.constant_(mix.bias, 0.5)

    def represent(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """Representation of every joint in every frame.

        Parameters
        ----------
        x
            Joints in ``screen`` coordinates with their confidence, shape ``(B, T, J, 3)``; 0, 0, 0 where
            missing.
        valid
            Which frames are real, bool, shape ``(B, T)``; padding is False and changes nothing of the
            others' representation. None where all are.

        Returns
        -------
        Shape ``(B, T, J, dim_rep)``; without meaning in padded frames.

        Raises
        ------
        ConfigurationError
            The shape is another one, the clip is longer than the network holds, or empty, or all of it
            is padding.
        """
        joint = (self.pos_embed.shape[1], self.joints_embed.in_features)
        if x.ndim != 4 or x.shape[2:] != joint:
            raise ConfigurationError(
                f"clips of shape {tuple(x.shape)}", expected=f"(B, T, {joint[0]}, {joint[1]})"
            )
        b, t = x.shape[:2]
        if not 1 <= t <= self.maxlen:
            raise ConfigurationError(
                f"a clip of {t} frames",
                expected=f"1 to {self.maxlen}",
                remedy="Cut the walk into clips with gaitmb.motion.clips.clip_windows",
            )
        if valid is not None and not (
            valid.shape == (b, t) and valid.dtype == torch.bool and valid.any(dim=1).all()
        ):
            raise ConfigurationError(
                f"a mask of shape {tuple(valid.shape)} and type {valid.dtype}",
                expected=f"({b}, {t}) and torch.bool, with at least one real frame in each clip",
            )
        x = self.joints_embed(x) + self.pos_embed + self.temp_embed[:, :t]  # (B, T, J, C)
        for block_st, block_ts, mix in zip(self.blocks_st, self.blocks_ts, self.ts_attn, strict=True):
            st = _over_frames(block_st, _over_joints(block_st, x), valid)
            ts = _over_joints(block_ts, _over_frames(block_ts, x, valid))
            x = _mix(mix, st, ts)
        return self.pre_logits(self.norm(x))  # type: ignore[no-any-return]  # (B, T, J, dim_rep)

    def forward(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """3D joints, shape ``(B, T, J, dim_out)``; see :meth:`represent` for the input."""
        return self.head(self.represent(x, valid))  # type: ignore[no-any-return]  # modules return Any


def _over_joints(block: nn.Module, x: Tensor) -> Tensor:
    """``(B, T, J, C)`` to the same, attending within frames."""
    assert isinstance(block, Block)  # noqa: S101  # a ModuleList forgets what it holds
    return _each(block.over_joints, x)


def _over_frames(block: nn.Module, x: Tensor, valid: Tensor | None) -> Tensor:
    """``(B, T, J, C)`` to the same, attending within joints."""
    assert isinstance(block, Block)  # noqa: S101  # a ModuleList forgets what it holds
    return _each(block.over_frames, x.transpose(1, 2), valid).transpose(1, 2)


def _each(layer: _Layer, x: Tensor, seen: Tensor | None = None) -> Tensor:
    """Apply a layer to all sequences of all clips: ``(B, N, L, C)`` to the same, `seen` ``(B, L)``.

    Where no gradients are wanted a CPU takes few sequences at a time, straight from and to where they
    lie, so that neither order of the axes costs a pass of its own.
    """
    b, n, length, c = x.shape
    if torch.is_grad_enabled() or x.device.type != "cpu":
        if seen is not None:
            seen = seen.repeat_interleave(n, dim=0)[:, None, None]  # (B·N, 1, 1, L)
        return layer(x.reshape(b * n, length, c), seen).view(b, n, length, c)
    done = torch.empty_like(x)  # in memory as `x` is
    size = max(1, TOKENS_AT_A_TIME // length)
    for number in range(b):
        mask = None if seen is None else seen[number, None, None, None]  # (1, 1, 1, L)
        parts, places = torch.split(x[number], size), torch.split(done[number], size)
        for part, place in zip(parts, places, strict=True):
            place.copy_(layer(part.contiguous(), mask))
    return done


def _mix(mix: nn.Module, st: Tensor, ts: Tensor) -> Tensor:
    """Weight the two streams per token: ``(B, T, J, C)`` twice to once."""
    assert isinstance(mix, nn.Linear)  # noqa: S101  # a ModuleList forgets what it holds
    c = st.shape[-1]
    # Softmax over two is a sigmoid of their difference, so that the streams need not be joined.
    weight, bias = mix.weight[0] - mix.weight[1], mix.bias[0] - mix.bias[1]
    share = torch.sigmoid(st @ weight[:c] + ts @ weight[c:] + bias)  # (B, T, J)
    return torch.lerp(ts, st, share.unsqueeze(-1))
