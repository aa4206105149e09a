"""Right answers to the exercises of the lesson of kinds, written otherwise."""


# %% of="kinds-chunks" variant="list"
def chunks(x, y, k):
    return list(zip(x.split(k, 1), y.split(k, 1)))


# %% of="kinds-cache" variant="one-tensor"
class KVCache:
    keys = values = None

    def append(self, k, v):
        self.keys = k if self.keys is None else torch.cat([self.keys, k], 1)
        self.values = v if self.values is None else torch.cat([self.values, v], 1)

    def attend(self, q):
        return F.scaled_dot_product_attention(q, self.keys, self.values)


# %% of="kinds-model" variant="factory"
def SequenceModel(vocab, embed, hidden):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(vocab, embed)
            self.rnn = nn.RNN(embed, hidden, batch_first=True)
            self.readout = nn.Linear(hidden, vocab)

        def forward(self, tokens, h=None):
            states, h = self.rnn(self.embedding(tokens), h)
            return self.readout(states), h

    return Model()


# %% of="kinds-guess" variant="honest-and-not-so"
guess = 3.5
