// What the formats that hold text accept beside the fields of every split.
#include <array>
#include <set>

#include "data/text_config.h"

namespace dsc {

std::span<const std::string_view> enum_names(Padding) {
  static constexpr std::array<std::string_view, 2> kNames{"longest", "max_length"};
  return kNames;
}

std::span<const std::string_view> enum_names(LmTargets) {
  static constexpr std::array<std::string_view, 2> kNames{"next", "none"};
  return kNames;
}

void TextColumns::fields(FieldVisitor& visit) {
  visit("text", text, {.text = "The text, or the first of a pair, or the prompt."});
  visit("pair", pair, {.text = "The second text; empty: single texts, and of format generation the column `reference`."});
  visit("label", label, {.text = "The label, used where there is such a column; empty: unlabelled."});
  visit.check(text.empty() ? "columns.text is empty: name the column of the text" : "");
}

void TextConfig::fields(FieldVisitor& visit) {
  visit("columns", columns, {.text = "text: names of the columns; without a header \"1\", \"2\", ..."});
  visit("table", table, {.text = "text: how rows are written; by_name: from .tsv, .csv, .jsonl, .txt."});
  visit("header", header, {.text = "text: whether the first row of .tsv and .csv names the columns."});
  visit("tokenizer", tokenizer, {.text = "text, squad, lm, multiple_choice: NAME.tokenizer.xml from scripts/export_tokenizer.py; empty: the one beside the model."});
  visit("encoder", encoder, {.text = "generation: a text encoder's .pt2, its .tokenizer.xml beside it, for the metrics bertscore_*."});
  visit("max_length", max_length, {.text = "text, squad, lm, multiple_choice: longer sequences are cut; those of multiple_choice at their beginning.", .unit = "tokens", .minimum = 2, .maximum = 1048576});
  visit("padding", padding, {.text = "text, squad, multiple_choice: batches are filled up to their longest example, or to max_length."});
  visit("classes", classes,
        {.text = "text: names of the labels in the order of their numbers; empty: labels are numbers. segmentation: names of the masks' values from "
                 "0. series: the labels in the order of their numbers; empty: as the file lists "
                 "them. image_folder: the class folders in the order of "
                 "their numbers; empty: those of data.train in alphabetical order. mnist, cifar10, cifar100: their names in reports."});
  visit("regression", regression, {.text = "text, series: labels are real numbers to be predicted."});
  visit("overlap", overlap,
        {.text = "squad: tokens that neighbouring windows of a long context share; absent: long contexts are cut.",
         .unit = "tokens",
         .minimum = 0,
         .maximum = 1048576});
  visit("targets", targets, {.text = "lm: predict the next token, or none (unlabelled text for distillation)."});
  visit("stride", stride,
        {.text = "lm: tokens from the start of a window of max_length to the next one's. What a window shares with the one before is context alone, and predicted "
                 "once. Absent: max_length, windows that know nothing of each other.",
         .unit = "tokens",
         .minimum = 1,
         .maximum = 1048576});
  visit("variants", variants, {.text = "text: augmented copies of each example, beside the example itself.", .minimum = 1, .maximum = 1000});
  visit("variants_seed", variants_seed, {.text = "text: seed of the augmented copies.", .minimum = 0});
  visit("cache", cache, {.text = "text, squad, lm, multiple_choice: folder that keeps token ids, by content; empty: none."});
  const std::set<std::string> names(classes.begin(), classes.end());
  visit.check(names.size() < classes.size() ? "classes names one twice" : "");
  visit.check(regression && !classes.empty() ? "regression has no classes: leave one of the two out" : "");
  visit.check(stride && *stride > max_length ? "stride is above max_length: the tokens between windows would be left out" : "");
  visit.check(stride && targets == LmTargets::none ? "stride is for predicted tokens, and targets are none: leave one of the two out" : "");
  visit.check(overlap && *overlap >= max_length / 2 ? "overlap must be below half of max_length, or windows would hardly move" : "");
}

}  // namespace dsc
