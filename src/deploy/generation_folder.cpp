#include "deploy/generation_folder.h"

#include <array>
#include <filesystem>
#include <system_error>
#include <vector>

#include "core/file.h"
#include "deploy/openvino_engine.h"
#include "dscompress/error.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

// The first four make the text; the rest is configuration, there or not.
constexpr std::array kTokenizerFiles{"openvino_tokenizer.xml", "openvino_tokenizer.bin", "openvino_detokenizer.xml", "openvino_detokenizer.bin"};
constexpr std::array kConfigurationFiles{"config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json", "chat_template.jinja"};

std::vector<std::string> files_to_copy(const fs::path& from) {
  std::vector<std::string> names;
  for (const char* name : kTokenizerFiles) {
    if (!fs::exists(from / name)) {
      throw Error(ErrorCode::data, std::string("the tokenizer's folder has no ") + name, {.file = from.string()},
                  "make it with scripts/export_tokenizer.py FOLDER --generation " + from.string());
    }
    names.emplace_back(name);
  }
  for (const char* name : kConfigurationFiles) {
    if (fs::exists(from / name)) names.emplace_back(name);
  }
  return names;
}

}  // namespace

Artifact write_generation_folder(const Model& model, const std::string& folder, const std::string& files) {
  const auto names = files.empty() ? std::vector<std::string>{} : files_to_copy(files);  // before anything is written
  make_folders(folder);
  const fs::path xml = fs::path(folder) / kGenerationModel;
  const auto check = write_stateful_ir(model, xml.string());
  for (const std::string& name : names) {
    std::error_code error;
    const fs::path from = fs::path(files) / name, to = fs::path(folder) / name;
    if (!fs::equivalent(files, folder)) fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
    if (error) throw Error(ErrorCode::io, "cannot copy " + from.string() + ": " + error.message(), {.file = to.string()});
  }
  const auto bytes = fs::file_size(xml) + fs::file_size(fs::path(xml).replace_extension(".bin"));
  return {xml.string(), "openvino", static_cast<std::int64_t>(bytes), check};
}

}  // namespace dsc
