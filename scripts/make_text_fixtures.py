#!/usr/bin/env python3
"""Writes tests/fixtures/text: two tiny tokenizers, converted, with what Hugging Face's own make of the same texts: ids,
offsets in bytes, sequences cut to several lengths.

    scripts/setup zoo && .venv/bin/python scripts/make_text_fixtures.py

The tokenizers are made from the sentences below: word pieces in BERT's manner (lower case, accents removed) and byte-level
BPE, trained, in GPT-2's. Rerunning gives the same files as long as the versions of scripts/versions.txt do.
"""
import json
import pathlib
import re
import sys
import tempfile
from collections import Counter

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import export_tokenizer

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/text"
CORPUS = ["a gorgeous , witty , seductive movie .", "the plot is nothing but boilerplate clichés from start to finish", "It's 90 minutes of playing, replaying and played-out jokes",
          "an unwieldy movie , but nothing is boring .", "the jokes are witty and the movie is gorgeous", "In 1854, the city's film started (again)."]
TEXTS = CORPUS + ["Clichés! Naïve CLICHÉS?", "unseen zebra words: xyzzy", "the 漢字 movie", "“quoted” movie — 90%", "tabs\tand  double  spaces ", "a", "don't stop", "the \ufffdplot\ufffd \ufffd is\ue000 witty"]
LENGTHS = [6, 9, 12, 64]
WORD_PIECES = 100


def vocabulary(size):
    """Special tokens, letters and signs of the corpus at the start and inside of words, and its most frequent words."""
    words = Counter(re.findall(r"\w+|[^\w\s]", " ".join(CORPUS).lower().replace("é", "e")))
    letters = sorted(set("".join(words)))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + letters + ["##" + letter for letter in letters if letter.isalnum()]
    pieces += [word for word in sorted(words, key=lambda word: (-words[word], word)) if word not in pieces]
    return {piece: i for i, piece in enumerate(pieces[:size])}


def word_pieces():
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary(WORD_PIECES), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer, {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}


def byte_pairs():
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=["<|end|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer, {"eos_token": "<|end|>"}


def record(fast, name):
    pairs = list(zip(TEXTS, TEXTS[3:] + TEXTS[:3]))
    cases = []
    for length in LENGTHS:
        for first, second in [(text, None) for text in TEXTS] + pairs:
            encoding = fast(first, second, truncation="longest_first", max_length=length, return_token_type_ids=True)
            cases.append({"first": first, "second": second, "max_length": length, "ids": encoding["input_ids"], "types": encoding["token_type_ids"]})
    plain = [fast(text, add_special_tokens=False)["input_ids"] for text in TEXTS]
    offsets = [[[len(text[:end].encode()) for end in span] for span in fast(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]] for text in TEXTS]
    (FOLDER / f"{name}.json").write_text(json.dumps({"texts": TEXTS, "ids": plain, "offsets": offsets, "sequences": cases}, ensure_ascii=False, separators=(",", ":")) + "\n")


def main():
    import transformers

    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in (("word_pieces", word_pieces), ("byte_pairs", byte_pairs)):
        tokenizer, special = make()
        fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
        with tempfile.TemporaryDirectory() as folder:
            fast.save_pretrained(folder)
            print(name, export_tokenizer.convert(folder, FOLDER / f"{name}.tokenizer.xml"))
        record(fast, name)


if __name__ == "__main__":
    main()
