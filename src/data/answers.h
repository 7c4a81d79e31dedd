// What answers are compared with: predicted spans of a context (question answering as SQuAD has it), or choices of which one is right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/offsets.h"

namespace dsc {

class AnswerKey {
 public:
  struct Context {
    std::string text;
    LocatedTokens tokens;
  };
  struct Question {
    std::string id, text;
    std::size_t context = 0;
    std::vector<std::string> answers;  // any of them is right
  };
  // One example: a question with its context, or a part of it.
  struct Window {
    std::size_t question = 0;
    std::int64_t position = 0;     // where the context starts in the sequence
    std::int64_t first_token = 0;  // of the context, that stands there
    std::int64_t tokens = 0;
  };
  std::vector<Context> contexts;
  std::vector<Question> questions;
  std::vector<Window> windows;  // one an example; of multiple choice: none

  // One example of multiple choice: a question with one of its choices.
  struct Choice {
    std::size_t question = 0;  // of the data set
    bool is_right = false;
    std::int64_t characters = 0;
  };
  std::vector<Choice> choices;  // one an example, a question's side by side; of spans: none

  // The context's text from one position of the sequence to another, both inside the window.
  std::string text(const Window& window, std::int64_t start, std::int64_t end) const {
    const Context& context = contexts[questions[window.question].context];
    const auto span = [&](std::int64_t position) { return context.tokens.spans[static_cast<std::size_t>(position - window.position + window.first_token)]; };
    return context.text.substr(span(start).begin, span(end).end - span(start).begin);
  }
};

}  // namespace dsc
