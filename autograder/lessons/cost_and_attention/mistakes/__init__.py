"""Named mistakes of lesson 08: in counts, in attention and its cache, in linear recurrences, in a streamed model."""
