"""The speech network: data, training, export, measurement. `python -m engines.nets.speech --help`.

Sound goes in, what is being said and how the mouth moves with it comes out, 100 times a second and
30 ms late. What serves is `engines/models/speech.onnx`; everything here is needed only to make it,
and only `measure` and `alignment` can be imported without torch.
"""
