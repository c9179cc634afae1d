"""The network of GT in its plain form, for the tests to compare with."""

import torch
from torch import nn


class FourMatrices(nn.Module):
    """The module as GT draws it: embed, project in, project out, unembed; masks multiply."""

    def __init__(self, network, masks=None):
        super().__init__()
        self.weights = nn.ParameterList(w.detach().clone() for w in network.parameters())
        self.masks = masks or [torch.ones_like(w) for w in self.weights]

    def forward(self, inputs):
        emb, into, out, unemb = (w * m for w, m in zip(self.weights, self.masks, strict=True))
        hidden = torch.relu((emb[inputs[:, 0]] + emb[inputs[:, 1]]) @ into)
        return hidden @ out @ unemb
