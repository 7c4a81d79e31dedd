#include "data/squad_read.h"

#include <nlohmann/json.hpp>

#include "text/table.h"
#include "text/utf8.h"

namespace dsc {
namespace {

using Json = nlohmann::json;

class SquadReader {
 public:
  explicit SquadReader(const std::string& path) : path_(path) {}

  SquadFile read() {
    Json json;
    try {
      json = Json::parse(read_utf8(path_));
    } catch (const Json::exception& error) {
      throw Error(ErrorCode::data, std::string("the file is no JSON: ") + error.what(), {.file = path_}, "fetch it again, or name the .json file of SQuAD");
    }
    for_each(json, "data", "", [&](const Json& article, const std::string& place) {
      for_each(article, "paragraphs", place, [&](const Json& paragraph, const std::string& where) { add_paragraph(paragraph, where); });
    });
    if (file_.questions.empty()) fail("there are no questions", "/data");
    return std::move(file_);
  }

 private:
  [[noreturn]] void fail(const std::string& what, const std::string& pointer) const {
    throw Error(ErrorCode::data, what, {.file = path_, .pointer = pointer},
                "SQuAD's form is {\"data\": [{\"paragraphs\": [{\"context\", \"qas\": [{\"id\", \"question\", \"answers\"}]}]}]}");
  }

  template <class Visit>
  void for_each(const Json& object, const char* name, const std::string& place, Visit visit) const {
    const auto found = object.is_object() ? object.find(name) : object.end();
    if (!object.is_object() || found == object.end() || !found->is_array()) fail(std::string("expected a list `") + name + "`", place);
    for (std::size_t i = 0; i < found->size(); ++i) visit((*found)[i], place + "/" + name + "/" + std::to_string(i));
  }

  std::string text(const Json& object, const char* name, const std::string& place) const {
    if (!object.is_object() || !object.contains(name) || !object[name].is_string()) fail(std::string("expected a text `") + name + "`", place);
    return object[name].get<std::string>();
  }

  void add_paragraph(const Json& paragraph, const std::string& place) {
    file_.contexts.push_back(text(paragraph, "context", place));
    // SQuAD counts characters.
    std::vector<std::size_t> offsets;
    for_each_character(file_.contexts.back(), [&](Character, std::size_t at) { offsets.push_back(at); });
    for_each(paragraph, "qas", place, [&](const Json& entry, const std::string& where) {
      SquadQuestion question{.id = text(entry, "id", where), .text = text(entry, "question", where), .context = file_.contexts.size() - 1};
      for_each(entry, "answers", where, [&](const Json& answer, const std::string& at) { add_answer(answer, at, offsets, question); });
      file_.questions.push_back(std::move(question));
    });
  }

  void add_answer(const Json& answer, const std::string& place, const std::vector<std::size_t>& offsets, SquadQuestion& question) const {
    const auto words = text(answer, "text", place);
    if (!answer.contains("answer_start") || !answer["answer_start"].is_number_unsigned()) fail("expected a number `answer_start`", place);
    const auto start = answer["answer_start"].get<std::size_t>();
    const auto& context = file_.contexts.back();
    if (start >= offsets.size() || context.compare(offsets[start], words.size(), words) != 0) {
      fail("the answer \"" + words + "\" is not at character " + std::to_string(start) + " of its context", place);
    }
    question.answers.push_back(words);
    question.spans.push_back({offsets[start], offsets[start] + words.size()});
  }

  const std::string& path_;
  SquadFile file_;
};

}  // namespace

SquadFile read_squad(const std::string& path) { return SquadReader(path).read(); }

}  // namespace dsc
