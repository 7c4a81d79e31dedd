// Text to token ids and back, as generation needs it: the pair of models that openvino_tokenizers makes of a tokenizer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace dsc {

class TextCodec {
 public:
  // folder: with openvino_tokenizer.xml and openvino_detokenizer.xml. errors: data; unsupported without OpenVINO or its library
  // for tokenizers.
  explicit TextCodec(const std::string& folder);
  ~TextCodec();
  static bool is_in(const std::string& folder);

  std::vector<std::int64_t> encode(const std::string& text) const;  // with the special tokens that the tokenizer adds
  std::string decode(const std::vector<std::int64_t>& ids) const;   // without special tokens, as the tokenizer was converted

 private:
  struct State;
  std::unique_ptr<State> state_;
};

inline constexpr const char* kTokenizerFile = "openvino_tokenizer.xml";
inline constexpr const char* kDetokenizerFile = "openvino_detokenizer.xml";

}  // namespace dsc
