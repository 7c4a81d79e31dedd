#include "text/tokenizer.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <openvino/openvino.hpp>

#include "core/file.h"
#include "dscompress/error.h"
#include "text/tokenizer_core.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFacts = "dscompress";         // section of the model's runtime information
constexpr std::size_t kTextsAtOnce = 256;            // the result is padded to the longest of them
constexpr const char* kConvertAgain = "convert it with scripts/export_tokenizer.py FOLDER --out NAME.tokenizer.xml";

// The folder of the library or program that this code is in.
fs::path own_folder() {
  Dl_info info{};
  return ::dladdr(reinterpret_cast<const void*>(&own_folder), &info) && info.dli_fname ? fs::absolute(info.dli_fname).parent_path() : fs::path();
}

std::string find_library() {
  const char* given = std::getenv("DSCOMPRESS_TOKENIZERS");
  if (given && *given) return given;
  constexpr const char* kName = "libopenvino_tokenizers.so";
  const fs::path beside = own_folder() / kName, wheel = own_folder() / "../../openvino_tokenizers/lib" / kName;
  if (fs::exists(beside)) return beside.string();
  return fs::exists(wheel) ? wheel.lexically_normal().string() : DSC_TOKENIZERS_LIBRARY;
}

TokenizerFacts read_facts(const ov::Model& model) {
  const auto fact = [&](const char* name) { return model.get_rt_info<std::string>(kFacts, name); };
  TokenizerFacts facts;
  facts.single = SequenceTemplate(fact("single"));
  facts.pair = SequenceTemplate(fact("pair"));
  facts.vocabulary = std::stoll(fact("vocabulary"));
  facts.pad_id = static_cast<std::int32_t>(std::stol(fact("pad_id")));
  facts.end_id = model.has_rt_info(kFacts, "end_id") ? static_cast<std::int32_t>(std::stol(fact("end_id"))) : facts.pad_id;
  return facts;
}

}  // namespace

ov::Core& tokenizer_core() {
  static ov::Core core = [] {
    ov::Core made;
    const std::string library = find_library();
    try {
      made.add_extension(library);
    } catch (const std::exception& error) {
      throw Error(ErrorCode::unsupported, "OpenVINO's tokenizer library cannot be loaded: " + library, {},
                  "install openvino-tokenizers (scripts/setup), or name the library in DSCOMPRESS_TOKENIZERS");
    }
    return made;
  }();
  return core;
}

struct Tokenizer::State {
  std::string path;
  TokenizerFacts facts;
  ov::InferRequest request;
};

Tokenizer::Tokenizer(const std::string& path) : state_(std::make_unique<State>()) {
  state_->path = path;
  if (!fs::exists(path)) throw Error(ErrorCode::data, "no such tokenizer: " + path, {.file = path}, kConvertAgain);
  if (read_file(path).find(std::string("<") + kFacts + ">") == std::string::npos) {  // OpenVINO would take it to its other readers
    throw Error(ErrorCode::data, "this is no converted tokenizer", {.file = path}, kConvertAgain);
  }
  auto& core = tokenizer_core();
  try {
    const auto model = core.read_model(path);
    state_->facts = read_facts(*model);
    state_->request = core.compile_model(model, "CPU").create_infer_request();
  } catch (const ov::Exception& error) {
    throw Error(ErrorCode::data, std::string("the tokenizer cannot be read: ") + error.what(), {.file = path}, kConvertAgain);
  }
}

Tokenizer::~Tokenizer() = default;

const TokenizerFacts& Tokenizer::facts() const { return state_->facts; }

const std::string& Tokenizer::path() const { return state_->path; }

std::vector<TokenIds> Tokenizer::tokenize(const std::vector<std::string>& texts) const {
  std::vector<TokenIds> all;
  all.reserve(texts.size());
  for (std::size_t begin = 0; begin < texts.size(); begin += kTextsAtOnce) {
    const std::size_t count = std::min(kTextsAtOnce, texts.size() - begin);
    ov::Tensor input(ov::element::string, {count});
    std::copy_n(texts.begin() + static_cast<std::ptrdiff_t>(begin), count, input.data<std::string>());
    state_->request.set_input_tensor(input);
    state_->request.infer();
    const auto ids = state_->request.get_tensor("input_ids"), mask = state_->request.get_tensor("attention_mask");
    const std::size_t width = ids.get_shape()[1];
    const auto* id = ids.data<const std::int64_t>();
    const auto* real = mask.data<const std::int64_t>();
    for (std::size_t row = 0; row < count; ++row, id += width, real += width) {
      auto& tokens = all.emplace_back();
      for (std::size_t i = 0; i < width; ++i) {
        if (real[i]) tokens.push_back(static_cast<std::int32_t>(id[i]));
      }
    }
  }
  return all;
}

}  // namespace dsc
