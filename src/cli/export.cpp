// dscompress export MODEL --to FILE: writes a model in another format; the format follows from the name.
#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/session.h"
#include "core/log.h"
#include "deploy/generation_folder.h"
#include "pipeline/open_model.h"

namespace dsc {
namespace {

struct ExportOptions {
  std::string model, weights, to, tokenizer;
  std::vector<std::string> inputs;
  bool stateful = false;
};

Artifact write(const Model& model, const ExportOptions& options) {
  if (options.stateful) return write_generation_folder(model, options.to, options.tokenizer);
  if (!options.tokenizer.empty()) throw Error(ErrorCode::usage, "--tokenizer belongs to a stateful model", {}, "give --stateful, and a folder --to");
  return write_artifact(model, options.to, {{"source", options.model}});
}

int export_model(const Session& session, const ExportOptions& options) {
  Model model = open_model(options.model, options.weights, options.inputs);
  // A .pt2 stays the program that it was.
  if (options.stateful || options.to.ends_with(".xml")) {
    for (const auto& note : bring_into_form(model, false)) log_warning(note);
  }
  const auto artifact = write(model, options);
  if (session.json) {
    const nlohmann::ordered_json json{{"path", artifact.path}, {"format", artifact.format}, {"size_bytes", artifact.size_bytes}, {"check", artifact.check}};
    std::cout << json.dump(2) << '\n';
    return 0;
  }
  std::cout << artifact.path << ": " << artifact.format << ", " << format_bytes(static_cast<double>(artifact.size_bytes)) << ", " << artifact.check << '\n';
  return 0;
}

}  // namespace

void add_export_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<ExportOptions>();
  auto* command = app.add_subcommand("export", "Write a model in another format: .pt2, .safetensors, .xml (OpenVINO IR)");
  command->add_option("MODEL", options->model, "Model file (.pt2, or TorchScript .pt)")->required()->type_name("");
  add_input_option(*command, options->inputs);
  command->add_option("--to", options->to, "File to write; its extension says the format; with --stateful a folder")->required()->type_name("FILE");
  command->add_option("--weights", options->weights, "Swap in these weights first: a .safetensors file, or a checkpoint's folder")->type_name("FILE");
  command->add_flag("--stateful", options->stateful, "Write a causal language model as one that keeps keys and values: FOLDER/openvino_model.xml");
  command->add_option("--tokenizer", options->tokenizer, "Copy the tokenizer of this folder beside it (scripts/export_tokenizer.py --generation)")->type_name("FOLDER");
  command->add_flag("--json", session.json, "Print JSON");
  command->footer("Every file is read back and its outputs compared before the command succeeds.\n\nExamples:\n"
                  "  dscompress export small.pt2 --to small.xml\n"
                  "  dscompress export llama.pt2 --to llama --stateful --tokenizer TinyLlama-converted\n"
                  "  dscompress export base.pt2 --weights nightly.safetensors --to nightly.pt2");
  command->callback([&session, options] { session.run = [&session, options] { return export_model(session, *options); }; });
}

}  // namespace dsc
