// BLEU, chrF and ROUGE against sacrebleu and rouge-score, as scripts/make_generation_fixtures.py recorded them.
#include "text/generation_score.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/file.h"

namespace dsc {
namespace {

using Json = nlohmann::json;
using Strings = std::vector<std::string>;

const Json& recorded() {
  static const Json json = Json::parse(read_file(DSC_SOURCE_DIR "/tests/fixtures/text/generation.json"));
  return json;
}

TEST(GenerationScore, TokensAreThoseOfMteval) {
  for (const auto& pair : recorded().at("pairs")) EXPECT_EQ(bleu_tokens(pair.at("text").get<std::string>()), pair.at("tokens").get<Strings>());
}

TEST(GenerationScore, OfSingleTextsEqualsTheRecorded) {
  for (const auto& pair : recorded().at("pairs")) {
    const auto text = pair.at("text").get<std::string>();
    const auto references = pair.at("references").get<Strings>();
    EXPECT_NEAR(bleu(bleu_counts(text, references)), pair.at("bleu").get<double>(), 1e-6) << text;
    EXPECT_NEAR(chrf(chrf_counts(text, references)), pair.at("chrf").get<double>(), 1e-6) << text;
    EXPECT_NEAR(rouge_n(text, references.front(), 1), pair.at("rouge1").get<double>(), 1e-6) << text;
    EXPECT_NEAR(rouge_n(text, references.front(), 2), pair.at("rouge2").get<double>(), 1e-6) << text;
    EXPECT_NEAR(rouge_l(text, references.front()), pair.at("rougeL").get<double>(), 1e-6) << text;
  }
}

TEST(GenerationScore, OfACorpusEqualsTheRecorded) {
  for (const bool is_first : {false, true}) {
    BleuCounts bleus;
    ChrfCounts chrfs;
    for (const auto& pair : recorded().at("pairs")) {
      auto references = pair.at("references").get<Strings>();
      if (is_first) references.resize(1);
      bleus += bleu_counts(pair.at("text").get<std::string>(), references);
      chrfs += chrf_counts(pair.at("text").get<std::string>(), references);
    }
    EXPECT_NEAR(bleu(bleus), recorded().at(is_first ? "bleu_of_first" : "bleu").get<double>(), 1e-6);
    EXPECT_NEAR(chrf(chrfs), recorded().at(is_first ? "chrf_of_first" : "chrf").get<double>(), 1e-6);
  }
}

TEST(GenerationScore, OfNothingIsZero) {
  const Strings reference{"a b c d"};
  EXPECT_EQ(bleu(bleu_counts("", reference)), 0);
  EXPECT_EQ(chrf(chrf_counts("", reference)), 0);
  EXPECT_EQ(rouge_n("", "a b", 1), 0);
  EXPECT_EQ(rouge_l("", "a b"), 0);
}

}  // namespace
}  // namespace dsc
