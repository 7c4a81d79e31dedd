#!/usr/bin/env python3
"""Makes tests/fixtures/choices: questions with choices, a tiny random Llama, and how likely Transformers finds each choice.

    .venv/bin/python scripts/make_choice_fixtures.py        (wants transformers: scripts/setup zoo)

Prompts, tokens and figures are made as lm-evaluation-harness makes them for arc_easy, hellaswag and mmlu without examples: the choice is
encoded together with its prompt, what is too long loses its beginning, acc takes the largest sum of log-probabilities, acc_norm the
largest for each character. The tokenizer is that of tests/fixtures/text/byte_pairs.
"""
import json
import pathlib
import re
import sys

import torch
import transformers
from safetensors.torch import save_file

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import make_language_model_fixtures as language_models
import make_text_fixtures as texts

OUT = language_models.ROOT / "tests/fixtures/choices"
MAX_LENGTH = 56
WORDS = "movie plot jokes witty gorgeous seductive boilerplate film city start nothing playing minutes again".split()


def questions():
    """Seeded word salad in the four forms; its choices differ in length, so that acc and acc_norm do."""
    generator = torch.Generator().manual_seed(3)
    draw = lambda least, most: int(torch.randint(least, most + 1, (), generator=generator))
    phrase = lambda least, most: " ".join(WORDS[draw(0, len(WORDS) - 1)] for _ in range(draw(least, most)))
    lines = []
    for i in range(8):
        labels = ["A", "B", "C", "D"] if i % 2 else ["1", "2", "3"]
        lines.append({"id": str(i), "question": "What is " + phrase(2, 5) + "?", "choices": {"text": [phrase(1, 4) for _ in labels], "label": labels},
                      "answerKey": labels[draw(0, len(labels) - 1)]})
        lines.append({"ind": i, "activity_label": "Playing " + phrase(1, 1), "ctx_a": phrase(3, 6) + " [header] the [title] " + phrase(1, 2) + ".", "ctx_b": "the FILM " + phrase(1, 3),
                      "endings": [phrase(1, 2) + " [step] clichés " + phrase(0, 4) + "." for _ in range(4)], "label": str(draw(0, 3))})
        lines.append({"question": " Which " + phrase(1, 3) + "? ", "subject": "movie_plots", "choices": [phrase(1, 1) for _ in range(4)], "answer": draw(0, 3)})
        lines.append({"prompt": "the " + phrase(1, 3) + " is ", "choices": [phrase(1, 3) for _ in range(draw(2, 5))], "answer": 1})
    return lines


def hellaswag_text(text):
    return re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")


def as_asked(line):
    """(prompt, what comes between, choices, index of the right one)"""
    if "endings" in line:
        prompt = hellaswag_text(line["activity_label"] + ": " + line["ctx_a"] + " " + line["ctx_b"].capitalize())
        return prompt, " ", [hellaswag_text(ending) for ending in line["endings"]], int(line["label"])
    if "answerKey" in line:
        return f"Question: {line['question']}\nAnswer:", " ", line["choices"]["text"], line["choices"]["label"].index(line["answerKey"])
    if "prompt" in line:
        return line["prompt"], "", line["choices"], line["answer"]
    letters = "ABCD"
    options = "\n".join(f"{letter}. {choice}" for letter, choice in zip(letters, line["choices"]))
    subject = line["subject"].replace("_", " ")
    return (f"The following are multiple choice questions (with answers) about {subject}.\n\n{line['question'].strip()}\n{options}\nAnswer:", " ", list(letters), line["answer"])


def encoded(tokenizer, prompt, continuation):
    spaces = len(prompt) - len(prompt.rstrip())
    if spaces:
        prompt, continuation = prompt[:-spaces], prompt[-spaces:] + continuation
    whole = tokenizer.encode(prompt + continuation).ids
    start = len(tokenizer.encode(prompt).ids)
    return whole[:start], whole[start:]


def log_likelihood(model, context, continuation):
    ids = torch.tensor([(context + continuation)[-(MAX_LENGTH + 1):][:-1]])
    with torch.no_grad():
        logits = model(input_ids=ids, use_cache=False).logits[0].double().log_softmax(-1)
    places = range(ids.shape[1] - len(continuation), ids.shape[1])
    return ids[0].tolist(), sum(float(logits[place, token]) for place, token in zip(places, continuation))


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    tokenizer, _ = texts.byte_pairs()
    torch.manual_seed(1)
    config = transformers.LlamaConfig(vocab_size=tokenizer.get_vocab_size(), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=8,
                                      intermediate_size=16, max_position_embeddings=64, tie_word_embeddings=True)
    model = transformers.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.copy_(torch.randn(parameter.shape) * (1 if parameter.shape[0] == config.vocab_size else parameter.shape[1] ** -0.5))
    program = language_models.export(model)
    (OUT / "llama.txt").write_text(language_models.graph_text(program))
    read = {spec.target for spec in program.graph_signature.input_specs if spec.target}
    tensors = {n: t.detach().clone().contiguous() for n, t in {**program.state_dict, **program.constants}.items() if isinstance(t, torch.Tensor) and n in read}
    save_file(tensors, OUT / "llama.safetensors")

    lines, recorded, right, right_norm = questions(), [], 0, 0
    for line in lines:
        prompt, between, choices, answer = as_asked(line)
        made = [log_likelihood(model, *encoded(tokenizer, prompt, between + choice)) for choice in choices]
        sums = [total for _, total in made]
        norm = [total / len(choice) for total, choice in zip(sums, choices)]
        best, best_norm = (max(range(len(scores)), key=scores.__getitem__) for scores in (sums, norm))
        right += best == answer
        right_norm += best_norm == answer
        recorded.append({"ids": [ids for ids, _ in made], "log_likelihoods": sums, "right": best == answer, "right_norm": best_norm == answer})
    (OUT / "questions.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    (OUT / "recorded.json").write_text(json.dumps({"max_length": MAX_LENGTH, "acc": right / len(lines), "acc_norm": right_norm / len(lines), "questions": recorded}) + "\n")
    print(f"acc {right / len(lines)}, acc_norm {right_norm / len(lines)}, longest {max(len(ids) for q in recorded for ids in q['ids'])}")


if __name__ == "__main__":
    main()
