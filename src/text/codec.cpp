#include "text/codec.h"

#include <algorithm>
#include <filesystem>
#include <openvino/openvino.hpp>

#include "dscompress/error.h"
#include "text/tokenizer_core.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMakeThem = "make them with scripts/export_tokenizer.py FOLDER --generation OUT";

ov::InferRequest open_one(const std::string& path) {
  if (!fs::exists(path)) throw Error(ErrorCode::data, "no such file: " + path, {.file = path}, kMakeThem);
  try {
    return tokenizer_core().compile_model(path, "CPU").create_infer_request();
  } catch (const ov::Exception& error) {
    throw Error(ErrorCode::data, std::string("the tokenizer cannot be read: ") + error.what(), {.file = path}, kMakeThem);
  }
}

}  // namespace

struct TextCodec::State {
  ov::InferRequest encoder, decoder;
};

TextCodec::TextCodec(const std::string& folder)
    : state_(std::make_unique<State>(State{open_one(folder + "/" + kTokenizerFile), open_one(folder + "/" + kDetokenizerFile)})) {}

TextCodec::~TextCodec() = default;

bool TextCodec::is_in(const std::string& folder) { return fs::exists(folder + "/" + kTokenizerFile); }

std::vector<std::int64_t> TextCodec::encode(const std::string& text) const {
  ov::Tensor input(ov::element::string, {1});
  *input.data<std::string>() = text;
  state_->encoder.set_input_tensor(input);
  state_->encoder.infer();
  const auto ids = state_->encoder.get_tensor("input_ids");
  return {ids.data<const std::int64_t>(), ids.data<const std::int64_t>() + ids.get_size()};
}

std::string TextCodec::decode(const std::vector<std::int64_t>& ids) const {
  ov::Tensor input(ov::element::i64, {1, ids.size()});
  std::copy(ids.begin(), ids.end(), input.data<std::int64_t>());
  state_->decoder.set_input_tensor(input);
  state_->decoder.infer();
  return *state_->decoder.get_output_tensor().data<const std::string>();
}

}  // namespace dsc
