// Questions with choices, in the forms of ARC, HellaSwag and MMLU: which choice does a language model find most likely?
//
// An example is a question with one choice; its targets are the choice's tokens. Prompts, choices and how both become tokens are
// those of EleutherAI's lm-evaluation-harness without examples (tasks arc_easy, arc_challenge, hellaswag, mmlu), so that figures compare.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/class_dimension.h"
#include "data/split.h"
#include "data/tokens.h"
#include "dscompress/error.h"
#include "text/utf8.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

constexpr const char* kForms =
    "a line is {\"prompt\", \"choices\": [...], \"answer\": 0}, or as in ARC {\"question\", \"choices\": {\"text\", \"label\"}, \"answerKey\"}, HellaSwag "
    "{\"activity_label\", \"ctx_a\", \"ctx_b\", \"endings\", \"label\"} or MMLU {\"question\", \"choices\", \"answer\", \"subject\"}";

struct ChoiceQuestion {
  std::string prompt;
  std::vector<std::string> choices;
  std::string between;  // of prompt and choice
  std::size_t right = 0;
};

std::string stripped(std::string text) {
  const char* const kSpaces = " \t\r\n";
  text.erase(0, text.find_first_not_of(kSpaces));
  text.erase(text.find_last_not_of(kSpaces) + 1);
  return text;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

// WikiHow's marks in HellaSwag.
std::string without_marks(std::string text) {
  text = stripped(std::move(text));
  replace_all(text, " [title]", ". ");
  for (std::size_t open = text.find('['); open != std::string::npos; open = text.find('[', open)) {
    const std::size_t close = text.find_first_of("]\n", open);
    if (close == std::string::npos || text[close] == '\n') ++open;
    else text.erase(open, close - open + 1);
  }
  replace_all(text, "  ", " ");
  return text;
}

// Python's str.capitalize, as far as the first letter is an English one.
std::string capitalized(const std::string& text) {
  std::string result = to_lower(text);
  if (!result.empty() && result[0] >= 'a' && result[0] <= 'z') result[0] = static_cast<char>(result[0] - 'a' + 'A');
  return result;
}

// One line of the file.
class LineReader {
 public:
  LineReader(const Json& json, Place place) : json_(json), place_(std::move(place)) {}

  ChoiceQuestion read() const {
    if (!json_.is_object()) fail("this is no object");
    ChoiceQuestion question = json_.contains("endings") ? hellaswag() : json_.contains("answerKey") ? arc() : json_.contains("prompt") ? plain() : mmlu();
    if (question.choices.size() < 2) fail("there are fewer than two choices");
    if (stripped(question.prompt).empty()) fail("there is no text before the choices");
    if (std::ranges::any_of(question.choices, [](const std::string& choice) { return choice.empty(); })) fail("a choice is empty");
    return question;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error(ErrorCode::data, what, place_, kForms); }

  std::string text(const Json& object, const char* name) const {
    if (!object.contains(name) || !object[name].is_string()) fail(std::string("expected a text `") + name + "`");
    return object[name].get<std::string>();
  }

  std::vector<std::string> texts(const Json& object, const char* name) const {
    const auto found = object.is_object() ? object.find(name) : object.end();
    if (!object.is_object() || found == object.end() || !found->is_array()) fail(std::string("expected a list of texts `") + name + "`");
    std::vector<std::string> list;
    for (const auto& entry : *found) {
      if (!entry.is_string()) fail(std::string("expected a list of texts `") + name + "`");
      list.push_back(entry.get<std::string>());
    }
    return list;
  }

  // A number, as such or written in a text, or a letter.
  std::size_t index(const char* name, std::size_t count) const {
    const auto found = json_.find(name);
    std::int64_t number = -1;
    if (found != json_.end() && found->is_number_integer()) number = found->get<std::int64_t>();
    if (found != json_.end() && found->is_string()) {
      const auto written = found->get<std::string>();
      if (written.size() == 1 && written[0] >= 'A' && written[0] <= 'Z') number = written[0] - 'A';
      if (written.size() == 1 && written[0] >= '0' && written[0] <= '9') number = written[0] - '0';
    }
    if (number < 0 || number >= static_cast<std::int64_t>(count)) fail(std::string("`") + name + "` names none of " + std::to_string(count) + " choices");
    return static_cast<std::size_t>(number);
  }

  ChoiceQuestion plain() const {
    ChoiceQuestion question{text(json_, "prompt"), texts(json_, "choices"), ""};
    question.right = index("answer", question.choices.size());
    return question;
  }

  ChoiceQuestion arc() const {
    if (!json_.contains("choices")) fail("expected `choices`");
    ChoiceQuestion question{"Question: " + text(json_, "question") + "\nAnswer:", texts(json_["choices"], "text"), " "};
    const auto labels = texts(json_["choices"], "label");
    const auto right = std::ranges::find(labels, text(json_, "answerKey"));
    if (right == labels.end() || labels.size() != question.choices.size()) fail("`answerKey` names none of the choices");
    question.right = static_cast<std::size_t>(right - labels.begin());
    return question;
  }

  ChoiceQuestion hellaswag() const {
    ChoiceQuestion question{without_marks(text(json_, "activity_label") + ": " + text(json_, "ctx_a") + " " + capitalized(text(json_, "ctx_b"))), texts(json_, "endings"), " "};
    for (auto& ending : question.choices) ending = without_marks(std::move(ending));
    question.right = index("label", question.choices.size());
    return question;
  }

  ChoiceQuestion mmlu() const {
    const auto answers = texts(json_, "choices");
    if (answers.size() > 26) fail("there are more choices than letters");
    std::string subject = json_.contains("subject") ? text(json_, "subject") : "";
    replace_all(subject, "_", " ");
    ChoiceQuestion question{subject.empty() ? "" : "The following are multiple choice questions (with answers) about " + subject + ".\n\n", {}, " "};
    question.prompt += stripped(text(json_, "question")) + "\n";
    for (std::size_t i = 0; i < answers.size(); ++i) {
      const std::string letter(1, static_cast<char>('A' + i));
      question.prompt += letter + ". " + answers[i] + "\n";
      question.choices.push_back(letter);
    }
    question.prompt += "Answer:";
    question.right = index("answer", answers.size());
    return question;
  }

  const Json& json_;
  Place place_;
};

std::vector<ChoiceQuestion> read_questions(const std::string& path) {
  std::vector<ChoiceQuestion> questions;
  std::istringstream lines(read_utf8(path));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (stripped(line).empty()) continue;
    const Place place{.file = path, .line = number};
    const Json json = Json::parse(line, nullptr, false);
    if (json.is_discarded()) throw Error(ErrorCode::data, "this line is no JSON", place, kForms);
    questions.push_back(LineReader(json, place).read());
  }
  if (questions.empty()) throw Error(ErrorCode::data, "there are no questions", {.file = path}, kForms);
  return questions;
}

std::int64_t count_characters(const std::string& text) {
  std::int64_t count = 0;
  for_each_character(text, [&](Character, std::size_t) { ++count; });
  return count;
}

// Prompts and prompts with choices as tokens; a choice's are those behind as many as the prompt alone has.
class ExampleBuilder {
 public:
  ExampleBuilder(const TextConfig& config, TokenExamples& examples) : config_(config), examples_(examples) {}

  void add(std::size_t question, const ChoiceQuestion& asked, std::size_t choice, std::size_t prompt_tokens, TokenIds tokens, AnswerKey& key) {
    const auto most = static_cast<std::size_t>(config_.max_length);
    const std::size_t answer = tokens.size() > prompt_tokens ? tokens.size() - prompt_tokens : 0;
    if (answer == 0 || prompt_tokens == 0 || answer > most) {
      throw Error(ErrorCode::data, "\"" + asked.choices[choice] + "\" is " + std::to_string(answer) + " tokens behind " + std::to_string(prompt_tokens) + " of its prompt",
                  {}, answer > most ? "give a larger max_length" : "every prompt and every choice needs a token");
    }
    cut_ += tokens.size() - 1 > most;
    if (tokens.size() > most + 1) tokens.erase(tokens.begin(), tokens.end() - static_cast<std::ptrdiff_t>(most) - 1);
    TokenIds targets(tokens.begin() + 1, tokens.end());
    std::fill(targets.begin(), targets.end() - static_cast<std::ptrdiff_t>(answer), static_cast<TokenIds::value_type>(kNoLabel));
    tokens.pop_back();
    examples_.sequences.push_back(make_sequence(SequenceTemplate("A:0"), tokens, {}, config_.max_length));
    examples_.token_targets.push_back(std::move(targets));
    examples_.texts.push_back(asked.prompt + asked.between + asked.choices[choice]);
    key.choices.push_back({question, choice == asked.right, count_characters(asked.choices[choice])});
  }
  std::int64_t cut() const { return cut_; }

 private:
  const TextConfig& config_;
  TokenExamples& examples_;
  std::int64_t cut_ = 0;
};

}  // namespace

std::unique_ptr<Dataset> open_multiple_choice(const SplitConfig& split) {
  const std::string path = locate_text(split, {".jsonl"});
  const auto all = read_questions(path);
  const Tokenizer tokenizer(split.text.tokenizer.path);
  const auto chosen = select_examples(split, static_cast<std::int64_t>(all.size()));
  // Spaces at a prompt's end belong to the choices, with which tokenizers join them.
  std::vector<std::string> texts;
  for (const auto i : chosen) {
    const ChoiceQuestion& asked = all[static_cast<std::size_t>(i)];
    texts.push_back(asked.prompt.substr(0, asked.prompt.find_last_not_of(" \t\r\n") + 1));
    for (const auto& choice : asked.choices) texts.push_back(asked.prompt + asked.between + choice);
  }
  const auto tokens = remembering(tokenizer, split.text.cache)(texts);

  TokenExamples examples;
  auto key = std::make_unique<AnswerKey>();
  ExampleBuilder builder(split.text, examples);
  std::size_t next = 0;
  for (std::size_t q = 0; q < chosen.size(); ++q) {
    const ChoiceQuestion& asked = all[static_cast<std::size_t>(chosen[q])];
    const std::size_t prompt = tokens[next++].size();
    for (std::size_t c = 0; c < asked.choices.size(); ++c) builder.add(q, asked, c, prompt, tokens[next++], *key);
  }
  if (builder.cut() > 0) {
    examples.notes.push_back(std::to_string(builder.cut()) + " of " + std::to_string(examples.sequences.size()) + " choices have the beginning of their prompt cut to fit into " +
                             std::to_string(split.text.max_length) + " tokens");
  }
  examples.classes = tokenizer.facts().vocabulary;
  examples.description = describe_text(split, path) + ", " + std::to_string(chosen.size()) + " questions";
  examples.answers = std::move(key);
  return make_token_dataset(std::move(examples), split, tokenizer.facts());
}

}  // namespace dsc
