// Stands in for the tokenizer in builds without OpenVINO.
#include "dscompress/error.h"
#include "text/codec.h"
#include "text/tokenizer.h"

namespace dsc {
namespace {

[[noreturn]] void refuse() {
  throw Error(ErrorCode::unsupported, "this build cannot tokenise text: it has no OpenVINO", {},
              "configure with -DDSCOMPRESS_OPENVINO=ON (the openvino and openvino-tokenizers wheels), or give token ids as tensors");
}

}  // namespace

struct Tokenizer::State {};
Tokenizer::Tokenizer(const std::string&) { refuse(); }
Tokenizer::~Tokenizer() = default;
const TokenizerFacts& Tokenizer::facts() const { refuse(); }
const std::string& Tokenizer::path() const { refuse(); }
std::vector<TokenIds> Tokenizer::tokenize(const std::vector<std::string>&) const { refuse(); }

struct TextCodec::State {};
TextCodec::TextCodec(const std::string&) { refuse(); }
TextCodec::~TextCodec() = default;
bool TextCodec::is_in(const std::string&) { return false; }
std::vector<std::int64_t> TextCodec::encode(const std::string&) const { refuse(); }
std::string TextCodec::decode(const std::vector<std::int64_t>&) const { refuse(); }

}  // namespace dsc
