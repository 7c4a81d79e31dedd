#include "text/offsets.h"

#include <map>
#include <set>

#include "dscompress/error.h"
#include "text/utf8.h"

namespace dsc {
namespace {

// A stretch without spaces, and its parts: runs of letters and digits, single other characters.
struct Word {
  TextSpan span;
  std::vector<TextSpan> parts;
};

std::vector<Word> located_words(const std::string& text) {
  std::vector<Word> words;
  bool in_word = false, in_run = false;
  for_each_character(text, [&](Character character, std::size_t at) {
    const bool space = is_space(character.code);
    const bool run = !space && !is_punctuation(character.code) && !is_ideograph(character.code);
    if (!space && !in_word) words.push_back({{at, at}, {}});
    if (!space) {
      auto& word = words.back();
      if (!run || !in_run) word.parts.push_back({at, at});
      word.span.end = word.parts.back().end = at + character.bytes;
    }
    in_word = !space;
    in_run = run;
  });
  return words;
}

// Tokens of every distinct piece of the texts, made in one go.
class Pieces {
 public:
  void want(std::string piece) { tokens_.emplace(std::move(piece), TokenIds{}); }
  void make(const Tokenize& tokenize) {
    std::vector<std::string> pieces;
    for (const auto& [piece, ids] : tokens_) pieces.push_back(piece);
    auto made = tokenize(pieces);
    std::size_t next = 0;
    for (auto& [piece, ids] : tokens_) ids = std::move(made[next++]);
  }
  const TokenIds& of(const std::string& piece) const { return tokens_.at(piece); }

 private:
  std::map<std::string, TokenIds> tokens_;
};

std::string piece(const std::string& text, const TextSpan& span, const std::string& before) { return before + text.substr(span.begin, span.end - span.begin); }

void append(LocatedTokens& located, const TokenIds& ids, const TextSpan& span) {
  located.ids.insert(located.ids.end(), ids.begin(), ids.end());
  located.spans.resize(located.ids.size(), span);
}

// The text's tokens word by word. `space`: what stands before every word but the first, where a tokeniser keeps it.
LocatedTokens join(const std::string& text, const std::vector<Word>& words, const Pieces& pieces, const std::string& space) {
  LocatedTokens located;
  for (std::size_t w = 0; w < words.size(); ++w) {
    const std::string before = w == 0 ? "" : space;
    LocatedTokens parts;
    for (std::size_t p = 0; p < words[w].parts.size(); ++p) append(parts, pieces.of(piece(text, words[w].parts[p], p == 0 ? before : "")), words[w].parts[p]);
    const auto& whole = pieces.of(piece(text, words[w].span, before));
    if (parts.ids != whole) {
      append(located, whole, words[w].span);
      continue;
    }
    located.ids.insert(located.ids.end(), parts.ids.begin(), parts.ids.end());
    located.spans.insert(located.spans.end(), parts.spans.begin(), parts.spans.end());
  }
  return located;
}

}  // namespace

std::vector<LocatedTokens> locate_tokens(const Tokenize& tokenize, const std::vector<std::string>& texts) {
  static const std::string kSpaces[] = {"", " "};
  std::vector<std::vector<Word>> words;
  Pieces pieces;
  for (const auto& text : texts) {
    words.push_back(located_words(text));
    for (const auto& word : words.back()) {
      for (const auto& space : kSpaces) pieces.want(piece(text, word.span, space));
      for (const auto& part : word.parts) pieces.want(piece(text, part, ""));
      pieces.want(piece(text, word.parts.front(), " "));
    }
  }
  pieces.make(tokenize);
  const auto whole = tokenize(texts);
  std::vector<LocatedTokens> all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    for (const auto& space : kSpaces) {
      auto located = join(texts[i], words[i], pieces, space);
      if (located.ids != whole[i]) continue;
      all.push_back(std::move(located));
      break;
    }
    if (all.size() == i + 1) continue;
    throw Error(ErrorCode::unsupported, "tokens cannot be traced back to the words of \"" + texts[i].substr(0, 60) + "...\"", {},
                "spans of answers need a tokenizer whose tokens end where words do");
  }
  return all;
}

}  // namespace dsc
