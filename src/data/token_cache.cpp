// Token ids that are kept on disk. One file holds what one call made: all texts' ids, one after the other, and their lengths.
#include <ATen/ops/empty.h>

#include <filesystem>
#include <map>

#include "core/file.h"
#include "core/hash.h"
#include "data/tokens.h"
#include "dscompress/error.h"
#include "io/safetensors.h"

namespace dsc {
namespace {

std::string fingerprint_texts(const std::vector<std::string>& texts) {
  std::string all;
  for (const auto& text : texts) all.append(std::to_string(text.size())).append(":").append(text);
  return fingerprint(all);
}

std::vector<TokenIds> unpack(const TensorFile& file) {
  const std::map<std::string, at::Tensor> tensors(file.tensors.begin(), file.tensors.end());
  const auto &ids = tensors.at("ids"), &lengths = tensors.at("lengths");
  std::vector<TokenIds> tokens;
  const auto* next = ids.const_data_ptr<std::int32_t>();
  for (std::int64_t i = 0; i < lengths.numel(); ++i) {
    const std::int64_t length = lengths.const_data_ptr<std::int64_t>()[i];
    tokens.emplace_back(next, next + length);
    next += length;
  }
  return tokens;
}

TensorFile pack(const std::vector<TokenIds>& tokens) {
  std::int64_t total = 0;
  for (const auto& ids : tokens) total += static_cast<std::int64_t>(ids.size());
  const at::Tensor ids = at::empty({total}, at::kInt), lengths = at::empty({static_cast<std::int64_t>(tokens.size())}, at::kLong);
  auto* next = ids.mutable_data_ptr<std::int32_t>();
  auto* length = lengths.mutable_data_ptr<std::int64_t>();
  for (const auto& text : tokens) {
    next = std::copy(text.begin(), text.end(), next);
    *length++ = static_cast<std::int64_t>(text.size());
  }
  return {.tensors = {{"ids", ids}, {"lengths", lengths}}, .metadata = {}};
}

// A file that was damaged since it was written is made again.
std::optional<std::vector<TokenIds>> recall(const std::string& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  try {
    return unpack(read_safetensors(path));
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace

Tokenize remembering(const Tokenizer& tokenizer, const std::string& folder) {
  if (folder.empty()) return [&tokenizer](const std::vector<std::string>& texts) { return tokenizer.tokenize(texts); };
  const std::filesystem::path xml = tokenizer.path();
  const std::string converted = fingerprint_path(xml.string()) + fingerprint_path(std::filesystem::path(xml).replace_extension(".bin").string());
  return [&tokenizer, folder, converted](const std::vector<std::string>& texts) {
    const std::string path = folder + "/" + fingerprint(fingerprint_texts(texts) + converted) + ".safetensors";
    if (auto known = recall(path)) return std::move(*known);
    auto tokens = tokenizer.tokenize(texts);
    make_folders(folder);
    write_safetensors(path, pack(tokens));
    return tokens;
  };
}

}  // namespace dsc
