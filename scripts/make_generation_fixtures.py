#!/usr/bin/env python3
"""Writes tests/fixtures/text/generation.json: texts, references, and what sacrebleu and rouge-score make of them; and
tests/fixtures/generation: prompts, and what the tiny Llama of tests/fixtures/choices writes on from them, in Transformers.

    scripts/setup zoo && scripts/setup peers && .venv/bin/python scripts/make_generation_fixtures.py
"""
import json
import pathlib
import sys
import tempfile

import sacrebleu
import torch
import transformers
from rouge_score import rouge_scorer
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from safetensors.torch import load_file, save_file

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import export_tokenizer
import make_text_fixtures

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures"
PROMPTS = [("the movie is", "gorgeous , witty and seductive ."), ("an unwieldy", "movie , but nothing is boring"), ("In 1854, the city", "'s film started again"),
           ("nothing but boilerplate", "clichés from start to finish"), ("a", "plot"), ("It's 90 minutes of", "played-out jokes , again and again")]
TOKENS = 14
OUT = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/text/generation.json"
# Text, and its references.
PAIRS = [
    ("The cat sat on the mat.", ["The cat is on the mat.", "There is a cat on the mat."]),
    ("It costs 1,000.50 dollars, or 3-4 coins...", ["It costs 1,000.50 dollars; 3-4 coins.", "The price is $1,000.50."]),
    ("He said: \"no!\" (twice) & left.", ["He said \"no\" twice & left.", "He said: &quot;no!&quot; and left"]),
    ("naïve café — déjà vu, 漢字 test", ["naive café: déjà vu, 漢字 tests", "Naïve cafés — déjà vu"]),
    ("a b c d e f", ["a b c d e f", "f e d c b a"]),
    ("short", ["a much longer reference text than that", "short one"]),
    ("words-with-dashes, under_scores/slashes 5.5% of 10-20", ["words with dashes, under_scores or slashes 5.5 % of 10-20", "words-with-dashes"]),
    ("the the the the the", ["the cat", "the"]),
    ("ends with a comma,and no space.After", ["ends with a comma, and no space. After", "it ends"]),
    ("line\nbreaks\tand\u00a0spaces   everywhere-\nnow", ["line breaks and spaces everywhere now", "line breaks"]),
    ("Nothing in common", ["xyz 123", "qqq"]),
    ("I", ["I", "You"]),
]


def tiny_llama(tokenizer, out):
    """That of make_choice_fixtures.py, trained for a moment on the tokenizer's corpus: it writes on almost as the corpus does."""
    vocabulary = len(tokenizer)
    config = transformers.LlamaConfig(vocab_size=vocabulary, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8, intermediate_size=16,
                                      max_position_embeddings=64, tie_word_embeddings=True)
    model = transformers.LlamaForCausalLM(config).eval()
    weights = load_file(FIXTURES / "choices/llama.safetensors")
    for name, parameter in model.named_parameters():
        parameter.data.copy_(weights["model." + name])
    lines = [tokenizer(line + "<|end|>")["input_ids"] for line in make_text_fixtures.CORPUS]
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(150):
        ids = torch.tensor([lines[step % len(lines)]])
        optimizer.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    trained = {"model." + name: tensor.detach().clone() for name, tensor in model.state_dict().items()}  # the tied output layer, too
    save_file({name: trained.get(name, weight) for name, weight in weights.items()}, out)
    return model


def record_generation():
    folder = FIXTURES / "generation"
    folder.mkdir(exist_ok=True)
    tokenizer, special = make_text_fixtures.byte_pairs()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)
    with tempfile.TemporaryDirectory() as saved:
        fast.save_pretrained(saved)
        export_tokenizer.convert(saved, folder / "byte_pairs.tokenizer.xml")
        export_tokenizer.convert_for_generation(pathlib.Path(saved), folder)
    for name in ("tokenizer_config.json", "special_tokens_map.json"):  # not needed
        (folder / name).unlink(missing_ok=True)
    torch.manual_seed(0)
    model, texts = tiny_llama(fast, folder / "llama.safetensors"), []
    for prompt, _ in PROMPTS:
        ids = torch.tensor([fast(prompt)["input_ids"]])
        made = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS, pad_token_id=0, eos_token_id=0)
        texts.append(fast.decode(made[0, ids.shape[1]:], skip_special_tokens=True, clean_up_tokenization_spaces=False))
    references, rouge = [reference for _, reference in PROMPTS], rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"])
    scores = [rouge.score(reference, text) for reference, text in zip(references, texts)]
    metrics = {"bleu": sacrebleu.corpus_bleu(texts, [references]).score / 100, "chrf": sacrebleu.corpus_chrf(texts, [references]).score / 100}
    metrics |= {name.lower(): sum(score[name].fmeasure for score in scores) / len(scores) for name in ("rouge1", "rouge2", "rougeL")}
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"text": prompt, "reference": reference}, ensure_ascii=False) + "\n" for prompt, reference in PROMPTS))
    (folder / "recorded.json").write_text(json.dumps({"tokens": TOKENS, "texts": texts, "metrics": metrics}, ensure_ascii=False) + "\n")


def main():
    record_generation()
    texts, references = [text for text, _ in PAIRS], [list(column) for column in zip(*(references for _, references in PAIRS))]
    rouge = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=False)
    entries = []
    for text, wanted in PAIRS:
        scores = rouge.score(wanted[0], text)
        entries.append({"text": text, "references": wanted, "tokens": Tokenizer13a()(text).split(),
                        "chrf": sacrebleu.corpus_chrf([text], [[reference] for reference in wanted]).score, "bleu": sacrebleu.corpus_bleu([text], [[reference] for reference in wanted]).score,
                        **{name: score.fmeasure for name, score in scores.items()}})
    fixture = {"pairs": entries, "bleu": sacrebleu.corpus_bleu(texts, references).score, "bleu_of_first": sacrebleu.corpus_bleu(texts, references[:1]).score,
               "chrf": sacrebleu.corpus_chrf(texts, references).score, "chrf_of_first": sacrebleu.corpus_chrf(texts, references[:1]).score}
    OUT.write_text(json.dumps(fixture, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(OUT)


if __name__ == "__main__":
    main()
