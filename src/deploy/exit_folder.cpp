#include "deploy/exit_folder.h"

#include <filesystem>

#include "core/fields_json.h"
#include "core/file.h"
#include "deploy/decomposed_form.h"
#include "dscompress/error.h"
#include "io/pt2.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kFormat = 1;

struct ChainFile {
  std::int64_t format = kFormat;
  ExitChainPlan plan;
  void fields(FieldVisitor& visit) {
    visit("format", format, {.text = "Version of this file's form.", .minimum = 1});
    plan.fields(visit);
  }
};


std::string stem_of(const fs::path& folder, std::size_t stage) { return (folder / ("stage-" + std::to_string(stage))).string(); }
std::string first_stem(const std::string& path) { return stem_of(fs::path(exit_chain_file(path)).parent_path(), 0); }

ExitChainPlan read_plan(const std::string& path) {
  const std::string file = exit_chain_file(path);
  auto chain = parse_json<ChainFile>(read_file(file), file);
  const std::string hint = "write it again: run the recipe again, with the step early_exit or dynamic_resolution";
  if (chain.format != kFormat)
    throw Error(ErrorCode::model_file,
                "chain.json has format " + std::to_string(chain.format) + ", and this version reads " + std::to_string(kFormat), {.file = file},
                hint);
  if (chain.plan.stages.size() < 2 || chain.plan.stages.front().takes.empty())
    throw Error(ErrorCode::model_file, "chain.json names no stages", {.file = file}, hint);
  return std::move(chain.plan);
}

}  // namespace

std::string exit_chain_file(const std::string& path) {
  return fs::exists(fs::path(path) / kChainFile) ? (fs::path(path) / kChainFile).string() : path;
}

bool is_exit_chain(const std::string& path) { return fs::path(path).filename() == kChainFile || fs::exists(fs::path(path) / kChainFile); }

Artifact write_exit_folder(const ExitStages& stages, const std::string& folder, bool with_openvino) {
  make_folders(folder);
  Artifact chain{.path = (fs::path(folder) / kChainFile).string(), .format = "chain", .size_bytes = 0, .check = {}};
  for (std::size_t i = 0; i < stages.models.size(); ++i) {
    Artifact stage = write_artifact(stages.models[i], stem_of(folder, i) + ".pt2");
    if (with_openvino) stage = write_artifact(stages.models[i], stem_of(folder, i) + ".xml");
    chain.size_bytes += stage.size_bytes;
    chain.check = "each stage: " + stage.check;
  }
  write_file_atomically(chain.path, dump_json(ChainFile{.plan = stages.plan}) + "\n");
  chain.size_bytes += static_cast<std::int64_t>(fs::file_size(chain.path));
  return chain;
}

std::unique_ptr<ExitChain> read_exit_chain(const std::string& path, const OpenStage& open) {
  ExitChainPlan plan = read_plan(path);
  const fs::path folder = fs::path(exit_chain_file(path)).parent_path();
  std::vector<StageEngine> stages;
  for (std::size_t i = 0; i < plan.stages.size(); ++i) stages.push_back(open(stem_of(folder, i)));
  return std::make_unique<ExitChain>(std::move(plan), std::move(stages));
}

Model read_exit_chain_inputs(const std::string& path) {
  read_plan(path);
  Model model = read_pt2(first_stem(path) + ".pt2");
  from_decomposed_form(model);
  return model;
}

std::size_t count_exits(const std::string& path) { return read_plan(path).stages.size(); }

bool has_openvino_stages(const std::string& path) { return fs::exists(first_stem(path) + ".xml"); }

}  // namespace dsc
