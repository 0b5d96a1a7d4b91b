"""A transformer that reads one sequence and writes another (Whisper), as two graphs.

    encoder   features → its states, and of every layer of the decoder the keys and values of the attention across
    decoder   tokens, what it said before, the keys and values across → logits

Keys and values across are computed once for a recording, by the encoder, and read by every step of the decoder.
"""
