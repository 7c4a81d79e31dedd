// dscompress generate MODEL "prompt": text from a language model that keeps keys and values, token by token.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/session.h"
#include "core/file.h"
#include "core/interrupt.h"
#include "core/printed.h"
#include "deploy/generation_folder.h"
#include "deploy/language_model.h"
#include "dscompress/error.h"
#include "text/codec.h"

namespace dsc {
namespace {

namespace fs = std::filesystem;

struct GenerateOptions {
  std::string model;
  std::optional<std::string> prompt;
  std::vector<std::int64_t> ids;
  std::int64_t tokens = 128;
  Sampling sampling;
  bool ignore_end = false;
};

// Of what belongs to the model.
std::string folder_of(const std::string& file) {
  const auto parent = fs::path(file).parent_path().string();
  return parent.empty() ? "." : parent;
}

// The tokens that end a text, as the configuration names them: a number or a list.
std::vector<std::int64_t> end_tokens(const std::string& folder) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const auto path = (fs::path(folder) / name).string();
    if (!fs::exists(path)) continue;
    const auto json = nlohmann::json::parse(read_file(path), nullptr, false);
    if (json.is_discarded()) throw Error(ErrorCode::data, "this is no JSON", {.file = path});
    const auto end = json.is_object() ? json.find("eos_token_id") : json.end();
    if (end == json.end()) continue;
    if (end->is_number_integer()) return {end->get<std::int64_t>()};
    if (end->is_array()) return end->get<std::vector<std::int64_t>>();
  }
  return {};
}

void print_figures(const Generated& made, const std::string& engine) {
  std::cerr << made.tokens.size() << " tokens" << (made.ended ? ", the end of the text" : "") << "; first after " << printed("%.1f", 1e3 * made.first_seconds) << " ms";
  if (made.tokens_per_second() > 0) std::cerr << ", then " << printed("%.1f", made.tokens_per_second()) << " tokens/s";
  std::cerr << "; " << engine << '\n';
}

nlohmann::ordered_json to_json(const Generated& made, const std::vector<std::int64_t>& prompt, const std::optional<std::string>& text, const std::string& engine) {
  nlohmann::ordered_json json{{"prompt_ids", prompt}, {"ids", made.tokens}, {"ended", made.ended}, {"first_token_ms", 1e3 * made.first_seconds},
                              {"tokens_per_second", made.tokens_per_second()}, {"engine", engine}};
  if (text) json["text"] = *text;
  return json;
}

std::string listed(const std::vector<std::int64_t>& ids) {
  std::string text;
  for (const auto id : ids) text += (text.empty() ? "" : ",") + std::to_string(id);
  return text;
}

int run_generate(const Session& session, const GenerateOptions& options) {
  const auto file = generation_file(options.model), folder = folder_of(file);
  if (options.prompt.has_value() == !options.ids.empty()) throw Error(ErrorCode::usage, "give either a prompt or --ids");
  std::optional<TextCodec> codec;
  if (options.prompt || TextCodec::is_in(folder)) codec.emplace(folder);
  const auto prompt = options.prompt ? codec->encode(*options.prompt) : options.ids;
  LanguageModel model(file, {.threads = static_cast<int>(session.threads)});
  const auto ends = options.ignore_end ? std::vector<std::int64_t>{} : end_tokens(folder);
  const auto made = generate(model, prompt, options.tokens, ends, options.sampling, [](std::int64_t) { throw_if_interrupted(); });
  const auto text = codec ? std::optional(codec->decode(made.tokens)) : std::nullopt;
  if (session.json) {
    std::cout << to_json(made, prompt, text, model.engine()).dump(2) << '\n';
    return 0;
  }
  std::cout << (text ? *text : listed(made.tokens)) << '\n';
  if (!session.quiet) print_figures(made, model.engine());
  return 0;
}

}  // namespace

void add_generate_command(CLI::App& app, Session& session) {
  auto options = std::make_shared<GenerateOptions>();
  auto* sub = app.add_subcommand("generate", "Generate text with a language model that was exported with --stateful");
  sub->add_option("MODEL", options->model, "Folder for generation, or its model file (.xml)")->required()->type_name("");
  sub->add_option("PROMPT", options->prompt, "What the text begins with")->type_name("");
  sub->add_option("--ids", options->ids, "Token ids in place of a prompt")->delimiter(',')->check(CLI::NonNegativeNumber)->type_name("N,N,...");
  sub->add_option("--tokens", options->tokens, "Tokens at most")->check(CLI::Range(1, 1 << 20))->type_name("N")->capture_default_str();
  sub->add_option("--temperature", options->sampling.temperature, "Draw tokens, with scores divided by this; otherwise the most likely is taken")
      ->check(CLI::Range(1e-3, 1e3))
      ->type_name("T");
  sub->add_option("--top-p", options->sampling.top_p, "Draw tokens out of the fewest whose probabilities come to this")->check(CLI::Range(0.0, 1.0))->type_name("P");
  sub->add_option("--seed", options->sampling.seed, "Of what is drawn")->type_name("N")->capture_default_str();
  sub->add_flag("--ignore-end", options->ignore_end, "Go on behind the token that ends a text");
  sub->add_flag("--json", session.json, "Print JSON");
  sub->footer("Text goes to stdout, first-token latency and tokens/s to stderr.\n\nExamples:\n"
              "  dscompress generate llama \"Once upon a time\" --tokens 64\n"
              "  dscompress generate runs/first/generation --ids 1,403,407 --temperature 0.8 --top-p 0.9 --seed 3 --json");
  sub->callback([&session, options] {
    session.run = [&session, options] { return run_generate(session, *options); };
  });
}

}  // namespace dsc
