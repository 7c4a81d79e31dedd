#!/usr/bin/env python3
"""Writes tests/fixtures/bert_score: a tiny random BERT with the tokenizer of tests/fixtures/text/word_pieces, and what bert-score makes of
texts and references with it: precision, recall and F1 by output and idf.

    scripts/setup zoo peers && scripts/build && .venv/bin/python scripts/make_bert_score_fixtures.py

Texts are those of tests/fixtures/generation and a few more. Each pair is matched alone: in batches of several, bert-score takes the padding
of shorter texts for tokens of cosine 0.
"""
import collections
import json
import pathlib
import sys

import torch
import transformers
from bert_score.utils import bert_cos_score_idf, get_idf_dict
from safetensors.torch import save_file

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import make_language_model_fixtures as language_models
import make_text_fixtures

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures"
OUT = FIXTURES / "bert_score"
MORE = [("", "the plot is boring"), ("the plot", "the plot"), ("  An UNWIELDY film!  ", "an unwieldy film !"), ("xyzzy 漢字", "witty , seductive")]
SIZES = dict(vocab_size=make_text_fixtures.WORD_PIECES, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, max_position_embeddings=64)


def make_model():
    model = transformers.BertModel(transformers.BertConfig(**SIZES), add_pooling_layer=False).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(noise / tensor.shape[-1] ** 0.5 if tensor.dim() > 1 else 0.1 * noise + (1 if name.endswith("LayerNorm.weight") else 0))
    return model


class Layers(torch.nn.Module):
    """The last layer's vectors, and the first's."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        states = self.model(input_ids=input_ids, attention_mask=attention_mask, output_hidden_states=True).hidden_states
        return states[2], states[1]


class Layer(torch.nn.Module):
    """As bert-score calls a model."""

    def __init__(self, layers, output):
        super().__init__()
        self.layers, self.output = layers, output

    def forward(self, ids, attention_mask, output_hidden_states):
        return (self.layers(ids, attention_mask)[self.output],)


class Tokens:
    """Without what bert-score asks of tokenizers that transformers has no more."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.pad_token_id, self.cls_token_id, self.sep_token_id, self.model_max_length = tokenizer.pad_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id, 512

    def encode(self, text, **options):
        return self.tokenizer.encode(text, **options)

    def build_inputs_with_special_tokens(self, ids):
        return [self.cls_token_id, *ids, self.sep_token_id]


def main():
    OUT.mkdir(exist_ok=True)
    layers = Layers(make_model())
    batch, length = torch.export.Dim("batch", max=64), torch.export.Dim("length", min=2, max=64)
    ids = torch.arange(3, 19).view(2, 8)
    shapes = {"input_ids": {0: batch, 1: length}, "attention_mask": {0: batch, 1: length}}
    program = torch.export.export(layers, (ids, torch.ones_like(ids)), dynamic_shapes=shapes, strict=False)
    (OUT / "encoder.txt").write_text(language_models.graph_text(program))
    save_file({name: tensor.contiguous() for name, tensor in {**program.state_dict, **program.constants}.items() if isinstance(tensor, torch.Tensor)}, OUT / "encoder.safetensors")
    generated = json.loads((FIXTURES / "generation/recorded.json").read_text())["texts"]
    wanted = [json.loads(line)["reference"] for line in (FIXTURES / "generation/prompts.jsonl").read_text().splitlines()]
    pairs = list(zip(generated, wanted)) + MORE
    made, special = make_text_fixtures.word_pieces()
    tokenizer = Tokens(transformers.PreTrainedTokenizerFast(tokenizer_object=made, **special))
    scores = []
    for output in (0, 1):
        for idf in (False, True):
            # As bert_score.score has it; idf of the references of format generation alone, which an evaluation knows.
            weights = get_idf_dict(wanted, tokenizer, nthreads=0) if idf else collections.defaultdict(lambda: 1.0, {tokenizer.cls_token_id: 0, tokenizer.sep_token_id: 0})
            found = bert_cos_score_idf(Layer(layers, output), [b for _, b in pairs], [a for a, _ in pairs], tokenizer, weights, batch_size=1, device="cpu")
            scores.append({"output": output, "idf": idf, "scores": found.double().tolist()})
    (OUT / "recorded.json").write_text(json.dumps({"references": wanted, "pairs": pairs, "scores": scores}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
