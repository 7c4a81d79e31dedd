// dscompress checkpoint FOLDER|RECIPE: rounds a checkpoint in a stream, without a graph.
#include "cli/checkpoint.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "checkpoint/convert.h"
#include "checkpoint/journal.h"
#include "checkpoint/recipe.h"
#include "core/build_fingerprint.h"
#include "core/cores.h"
#include "core/log.h"
#include "core/printed.h"

namespace dsc {
namespace {

struct CheckpointCommand {
  std::string path, out;
  std::vector<std::string> overrides, vars_files;
  bool dry_run = false, verify = false;
};

std::string errors_text(const std::vector<checkpoint::TensorError>& errors) {
  std::vector<std::vector<std::string>> rows = {{"module", "precision", "relative error", "largest error"}};
  for (const auto& error : errors) rows.push_back({error.module, error.scheme, printed("%.5f", error.relative), printed("%.6g", error.largest)});
  return format_table(rows);
}

nlohmann::ordered_json errors_json(const std::vector<checkpoint::TensorError>& errors) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& error : errors) {
    list.push_back({{"module", error.module}, {"precision", error.scheme}, {"relative", error.relative}, {"largest", error.largest}, {"squared", error.squared}});
  }
  return list;
}

void print_result(const Session& session, const checkpoint::Plan& plan, const std::string& out, const std::vector<checkpoint::TensorError>& errors) {
  if (session.json) {
    auto json = nlohmann::ordered_json::parse(plan_json(plan));
    json["folder"] = out;
    json["errors"] = errors_json(errors);
    std::cout << json.dump(2) << '\n';
    return;
  }
  if (!errors.empty()) std::cout << errors_text(errors) << '\n';
  std::cout << out << ": " << format_bytes(static_cast<double>(plan.output_bytes())) << " of " << format_bytes(static_cast<double>(plan.source.bytes())) << " in "
            << plan.shards.size() << (plan.shards.size() == 1 ? " shard\n" : " shards\n");
}

// Kept matrices are worth a warning where they are a large part of the bytes.
void warn_of_kept(const checkpoint::Plan& plan) {
  constexpr double kWorthSaying = 0.05;
  std::uint64_t kept = 0;
  for (const auto& tensor : plan.tensors) kept += tensor.kept_because.empty() ? 0 : plan.source.tensors[tensor.tensor].bytes;
  const auto share = static_cast<double>(kept) / static_cast<double>(std::max<std::uint64_t>(plan.source.bytes(), 1));
  if (share > kWorthSaying) log_warning(printed("%.0f %% of the bytes are matrices that are not rounded (embeddings and others; --dry-run lists them)", 100 * share));
}

int convert(const Session& session, const checkpoint::Plan& plan, const std::string& out, bool verify) {
  Progress progress("checkpoint");
  const auto show = [&](const char* what, std::int64_t done, std::int64_t total) { progress.update(what, done >> 20, std::max<std::int64_t>(total >> 20, 1)); };
  try {
    const auto errors = checkpoint::convert(plan, {.out = out, .build = build_fingerprint(), .verify = verify, .progress = show});
    print_result(session, plan, out, errors);
    return 0;
  } catch (const Error& error) {
    if (!checkpoint::is_resumable(out)) throw;
    auto problems = error.problems();
    problems.front().hint += (problems.front().hint.empty() ? "" : "; then ") + std::string("go on with: dscompress resume ") + out;
    throw Error(error.code(), std::move(problems));
  }
}

int act(const Session& session, const checkpoint::Recipe& recipe, CheckpointAction action, const std::string& named_out, bool verify) {
  const auto out = named_out.empty() ? recipe.output_dir.path : named_out;
  const auto threads = session.threads > 0 ? session.threads : recipe.threads > 0 ? recipe.threads : available_cores();
  try {
    const auto plan = checkpoint::make_plan(recipe.checkpoint, threads);
    warn_of_kept(plan);
    if (action == CheckpointAction::convert) {
      if (out.empty()) throw Error(ErrorCode::usage, "no folder to write to", {}, "name one with -o, or look at the plan with --dry-run");
      return convert(session, plan, out, verify);
    }
    if (action == CheckpointAction::plan) std::cout << (session.json ? plan_json(plan) : plan_text(plan));
    if (action == CheckpointAction::check) std::cout << recipe.checkpoint.path.path << ": the checkpoint can be rounded as the recipe says\n";
    return 0;
  } catch (const Error& error) {
    throw checkpoint::with_places(recipe, error);
  }
}

std::vector<Override> overrides_of(const std::vector<std::string>& texts) {
  std::vector<Override> overrides;
  for (const auto& text : texts) overrides.push_back(checkpoint::below_section(parse_override(text)));
  return overrides;
}

int run(const Session& session, const CheckpointCommand& command) {
  const auto action = command.dry_run ? CheckpointAction::plan : CheckpointAction::convert;
  const auto extension = std::filesystem::path(command.path).extension();
  const bool is_recipe = extension == ".yaml" || extension == ".yml" || extension == ".json";
  if (!is_recipe) return act(session, checkpoint::recipe_for(command.path, overrides_of(command.overrides)), action, command.out, command.verify);
  const auto recipe = checkpoint::find_recipe({.path = command.path, .vars_files = command.vars_files, .overrides = overrides_of(command.overrides)});
  if (!recipe) throw Error(ErrorCode::recipe, "the recipe has no `checkpoint` section, or cannot be read", {.file = command.path}, "dscompress run RECIPE says what is wrong with others");
  return act(session, *recipe, action, command.out, command.verify);
}

}  // namespace

std::optional<int> run_checkpoint_recipe(const Session& session, const RecipeOptions& options, CheckpointAction action, const std::string& out) {
  std::vector<Override> overrides;
  for (const auto& text : options.overrides) overrides.push_back(parse_override(text));
  const auto recipe = checkpoint::find_recipe({.path = options.recipe, .vars_files = options.vars_files, .overrides = std::move(overrides)});
  if (!recipe) return std::nullopt;
  return act(session, *recipe, action, out, false);
}

std::optional<int> resume_checkpoint(const Session& session, const std::string& folder) {
  if (!checkpoint::is_resumable(folder)) return std::nullopt;
  checkpoint::Recipe recipe;
  recipe.checkpoint = checkpoint::read_begun(folder);
  recipe.source = std::make_shared<const Tree>(map_tree());
  return act(session, recipe, CheckpointAction::convert, folder, false);
}

void add_checkpoint_command(CLI::App& app, Session& session) {
  auto command = std::make_shared<CheckpointCommand>();
  auto* sub = app.add_subcommand("checkpoint", "Round a language model's checkpoint, shard by shard, without a graph and in little memory");
  sub->add_option("PATH", command->path, "Folder with config.json and .safetensors shards, or a recipe with a `checkpoint` section")->required()->type_name("");
  sub->add_option("-o,--output-dir", command->out, "Folder to write; it appears when it is complete")->type_name("DIR");
  sub->add_option("--set", command->overrides, "Set an option: --set weights.bits=8; may be given several times")->type_name("PATH=VALUE")->allow_extra_args(false);
  sub->add_option("--vars-file", command->vars_files, "File with variables that win over the recipe's")->type_name("FILE")->allow_extra_args(false);
  sub->add_flag("--dry-run", command->dry_run, "Read headers only: name all problems, print what would become of each tensor");
  sub->add_flag("--verify", command->verify, "Read the result again and print the error of each tensor");
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer(
      "Reads bf16, f16, f32 and fp8 with scales; memory is that of a few blocks of rows, whatever the checkpoint's size. Embeddings, output\n"
      "layer, norms and routers stay unless `layers` selects them. All options: dscompress schema checkpoint.\n\nExamples:\n"
      "  dscompress checkpoint DeepSeek-V3 --dry-run --set runtime=vllm\n"
      "  dscompress checkpoint DeepSeek-V3 -o DeepSeek-V3-W4A16 --set weights.scales=search --verify\n"
      "  dscompress checkpoint Llama -o Llama-W8A8 --set 'weights={bits: 8, group_size: 0}' --set activations.bits=8\n"
      "  dscompress checkpoint Llama -o out --set 'layers=[{select: \"**.self_attn.*\", weights: {bits: 8}}, {select: lm_head, weights: {bits: 8}}]'\n"
      "  dscompress resume DeepSeek-V3-W4A16          # after Ctrl-C or a kill; the same bytes");
  sub->callback([&session, command] { session.run = [&session, command] { return run(session, *command); }; });
}

}  // namespace dsc
