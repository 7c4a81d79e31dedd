#!/usr/bin/env python3
"""Converts a Hugging Face tokenizer into the OpenVINO model that dscompress tokenises text with.

    scripts/export_tokenizer.py FOLDER --out NAME.tokenizer.xml
    scripts/export_tokenizer.py FOLDER --generation OUT

FOLDER holds tokenizer.json or the files it is made from. NAME.tokenizer.xml and NAME.tokenizer.bin are written; beside
NAME.pt2 recipes find them by themselves. The converted model only cuts text into tokens. How special tokens and token types
are laid out, the padding token and the size of the vocabulary are noted in its runtime information.

--generation writes what `dscompress generate` and openvino_genai's LLMPipeline want beside a language model instead: OUT/openvino_tokenizer.xml,
which adds special tokens itself, openvino_detokenizer.xml, and the model's configuration as far as FOLDER has it.
"""
import argparse
import importlib.util
import pathlib
import shutil
import sys

CONFIGURATION = ("config.json", "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
UNLIMITED = 1 << 20  # tokens; truncation is the reader's


def layout(tokenizer, first, second=None):
    """"101:0 A:0 102:0 B:1 102:1": each special token, and each text, with its type."""
    encoding = tokenizer(first, second, return_token_type_ids=True)
    words, last = [], None
    for token, kind, text in zip(encoding["input_ids"], encoding["token_type_ids"], encoding.sequence_ids(0)):
        if text is None:
            words.append(f"{token}:{kind}")
        elif text != last:
            words.append(f"{'AB'[text]}:{kind}")
        last = text
    return " ".join(words)


def load(folder):
    if importlib.util.find_spec("torchvision"):
        from export_model import import_torchvision

        import_torchvision()  # transformers imports it for some tokenizers, and fails beside a torch that it was not made for
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    if not tokenizer.is_fast:
        sys.exit(f"{folder}: no fast tokenizer can be made from these files; tokenizer.json is missing")
    return tokenizer


def clean_as_bert():
    """BERT's normaliser also removes U+FFFD, which stands in decoded texts for bytes that are no character, and private characters;
    openvino_tokenizers' keeps them."""
    from openvino_tokenizers.tokenizer_pipeline import RegexNormalizationStep

    kept = RegexNormalizationStep(r"([\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F\p{Cf}\p{Co}" "\uFFFD])", "", global_replace=True)
    RegexNormalizationStep.del_control_chars_regex = classmethod(lambda cls: kept)


def convert(folder, out):
    import openvino
    import openvino_tokenizers

    tokenizer = load(folder)
    clean_as_bert()
    model = openvino_tokenizers.convert_tokenizer(tokenizer, add_special_tokens=False, max_length=UNLIMITED)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    facts = {"single": layout(tokenizer, "a"), "pair": layout(tokenizer, "a", "a"), "vocabulary": len(tokenizer), "pad_id": pad or 0}
    if tokenizer.eos_token_id is not None:
        facts["end_id"] = tokenizer.eos_token_id
    for name, value in facts.items():
        model.set_rt_info(str(value), ["dscompress", name])
    openvino.save_model(model, out, compress_to_fp16=False)
    return facts


def convert_for_generation(folder, out):
    import openvino
    import openvino_tokenizers

    tokenizer = load(folder)
    clean_as_bert()
    # Spaces before punctuation are WordPiece's; of BPE they are the text's own, and Transformers leaves them there.
    clean = False if type(tokenizer.backend_tokenizer.model).__name__ == "BPE" else None
    try:
        encoder, decoder = openvino_tokenizers.convert_tokenizer(tokenizer, with_detokenizer=True, clean_up_tokenization_spaces=clean)
    except RuntimeError as error:
        sys.exit(f"{folder}: openvino_tokenizers cannot convert this tokenizer, whose decoder is {tokenizer.backend_tokenizer.decoder}: {str(error).splitlines()[0]}")
    out.mkdir(parents=True, exist_ok=True)
    openvino.save_model(encoder, out / "openvino_tokenizer.xml", compress_to_fp16=False)
    openvino.save_model(decoder, out / "openvino_detokenizer.xml", compress_to_fp16=False)
    copied = [name for name in CONFIGURATION if (folder / name).exists()]
    for name in copied:
        if folder.resolve() != out.resolve():
            shutil.copy(folder / name, out / name)
    print(f"{out}: openvino_tokenizer.xml, openvino_detokenizer.xml" + "".join(", " + name for name in copied))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--out", metavar="NAME.tokenizer.xml", type=pathlib.Path)
    kind.add_argument("--generation", metavar="OUT", type=pathlib.Path)
    options = parser.parse_args()
    if not options.folder.is_dir():
        sys.exit(f"{options.folder}: there is no such folder")
    if options.generation:
        return convert_for_generation(options.folder, options.generation)
    if not options.out.name.endswith(".tokenizer.xml"):
        sys.exit(f"--out {options.out}: the name must end in .tokenizer.xml")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    facts = convert(options.folder, options.out)
    print(f"{options.out}: " + ", ".join(f"{name} {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
