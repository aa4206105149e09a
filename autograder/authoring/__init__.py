"""A lesson's script to notebooks, and the proofs that its checks do what they say."""
