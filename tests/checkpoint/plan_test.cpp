#include "checkpoint/plan.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "checkpoint/folder.h"
#include "checkpoint/recipe.h"

namespace dsc::checkpoint {
namespace {

using namespace test;
namespace fs = std::filesystem;

// What becomes of one module: its scheme in words, or why it is kept.
std::string way_of(const Plan& plan, const std::string& module) {
  for (const auto& tensor : plan.tensors) {
    if (plan.source.tensors[tensor.tensor].module() == module) return tensor.scheme ? to_string(*tensor.scheme) : tensor.kept_because;
  }
  return "absent";
}

class Planned : public testing::Test {
 protected:
  void SetUp() override { write_llama(folder_.file("in")); }
  Options options() const { return options_for(folder_.file("in")); }
  std::string file(const std::string& name) const { return folder_.file(name); }
  // The messages of all problems.
  std::string problems(const Options& given, ErrorCode code) const {
    const auto error = error_of([&] { make_plan(given, 1); });
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    return error.what();
  }

  TempFolder folder_;
};

// Names as DeepSeek-V3's: experts, router, latent attention, the next-token predictor.
StoredTensors mixture_tensors() {
  StoredTensors tensors;
  unsigned seed = 100;
  const auto add = [&](const std::string& name, std::int64_t rows, std::int64_t columns) { tensors[name + ".weight"] = random_matrix(rows, columns, seed++); };
  add("model.embed_tokens", 40, 64);
  add("lm_head", 40, 64);
  for (const std::string layer : {"model.layers.0.", "model.layers.1."}) {
    add(layer + "self_attn.q_a_proj", 32, 64);
    add(layer + "self_attn.kv_a_proj_with_mqa", 32, 64);
    add(layer + "self_attn.kv_b_proj", 64, 32);
    add(layer + "mlp.gate", 4, 64);
    tensors[layer + "mlp.gate.e_score_correction_bias"] = {"F32", {4}, std::string(16, '\0')};
    for (const std::string expert : {"0", "1", "2", "3"}) {
      add(layer + "mlp.experts." + expert + ".gate_proj", 32, 64);
      add(layer + "mlp.experts." + expert + ".up_proj", 32, 64);
      add(layer + "mlp.experts." + expert + ".down_proj", 64, 32);
    }
    add(layer + "mlp.shared_experts.up_proj", 32, 64);
  }
  add("model.layers.1.eh_proj", 64, 128);
  add("model.layers.1.shared_head.head", 40, 64);
  add("model.layers.1.embed_tokens", 40, 64);
  return tensors;
}

void write_mixture(const std::string& folder) {
  fs::create_directories(folder);
  write_tensors(folder + "/model.safetensors", mixture_tensors());
  spit(folder + "/config.json", R"({"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3"})");
}

TEST_F(Planned, MatricesThatAreNoLayersStay) {
  write_mixture(file("mixture"));
  const auto plan = make_plan(options_for(file("mixture")), 1);
  EXPECT_EQ(way_of(plan, "model.embed_tokens"), "embedding");
  EXPECT_EQ(way_of(plan, "model.layers.1.embed_tokens"), "embedding");
  EXPECT_EQ(way_of(plan, "lm_head"), "output layer");
  EXPECT_EQ(way_of(plan, "model.layers.1.shared_head.head"), "output layer");
  EXPECT_EQ(way_of(plan, "model.layers.0.mlp.gate"), "router");
  EXPECT_EQ(way_of(plan, "model.layers.1.eh_proj"), "joins hidden state and embedding");
  EXPECT_EQ(way_of(plan, "model.layers.0.mlp.gate.e_score_correction_bias"), "");
  EXPECT_EQ(way_of(plan, "model.layers.0.mlp.experts.3.down_proj"), "W4A16, groups of 32, search");
  EXPECT_EQ(way_of(plan, "model.layers.0.mlp.shared_experts.up_proj"), "W4A16, groups of 32, search");
  const auto text = plan_text(plan);
  for (const std::string kept : {"model.embed_tokens", "lm_head", "model.layers.#.mlp.gate (2)", "model.layers.1.eh_proj"}) EXPECT_TRUE(contains(text, kept)) << text;
}

TEST_F(Planned, TheLastRuleThatMatchesDecides) {
  auto given = options();
  given.layers = {{.select = "**.self_attn.*", .weights = {.bits = 8}},
                  {.select = "**.v_proj", .precision = Precision::bf16},
                  {.select = "model.layers.1.self_attn.*", .weights = {.group_size = 0}},
                  {.select = "lm_head", .weights = {.bits = 8, .scales = Scales::minmax}}};
  const auto plan = make_plan(given, 1);
  EXPECT_EQ(way_of(plan, "model.layers.0.self_attn.q_proj"), "W8A16, groups of 32, search");
  EXPECT_EQ(way_of(plan, "model.layers.0.self_attn.v_proj"), "a rule: precision: bf16");
  EXPECT_EQ(way_of(plan, "model.layers.1.self_attn.v_proj"), "W4A16, rows, search");
  EXPECT_EQ(way_of(plan, "model.layers.0.mlp.up_proj"), "W4A16, groups of 32, search");
  EXPECT_EQ(way_of(plan, "lm_head"), "W8A16, groups of 32, minmax");
}

TEST_F(Planned, ConfigNamesTheModulesOfEachPrecision) {
  auto given = options();
  given.layers = {{.select = "**.q_proj", .weights = {.bits = 8}}, {.select = "model.layers.1.mlp.down_proj", .precision = Precision::source}};
  convert_to(given, file("out"));
  const auto config = nlohmann::json::parse(slurp(file("out/config.json")));
  EXPECT_EQ(config["hidden_size"], 64);
  const auto& quantization = config["quantization_config"];
  EXPECT_EQ(quantization["quant_method"], "compressed-tensors");
  EXPECT_EQ(quantization["format"], "pack-quantized");
  EXPECT_EQ(quantization["quantization_status"], "compressed");
  std::map<int, nlohmann::json> groups;
  for (const auto& [name, group] : quantization["config_groups"].items()) groups[group["weights"]["num_bits"].get<int>()] = group;
  ASSERT_EQ(groups.size(), 2U);
  // What holds most parameters.
  EXPECT_EQ(groups[4]["targets"], nlohmann::json({"Linear"}));
  EXPECT_EQ(groups[4]["weights"]["strategy"], "group");
  EXPECT_EQ(groups[4]["weights"]["group_size"], 32);
  EXPECT_EQ(groups[8]["targets"], nlohmann::json({"re:^model\\.layers\\.\\d+\\.self_attn\\.q_proj$"}));
  const auto& ignored = quantization["ignore"];
  EXPECT_NE(std::find(ignored.begin(), ignored.end(), "lm_head"), ignored.end());
  // Layer 0's is rounded: no pattern may take both.
  EXPECT_NE(std::find(ignored.begin(), ignored.end(), "model.layers.1.mlp.down_proj"), ignored.end());
}

TEST_F(Planned, VllmRefusesWhatItCannotRun) {
  write_mixture(file("mixture"));
  auto given = options_for(file("mixture"));
  given.runtime = Runtime::vllm;
  EXPECT_NO_THROW(make_plan(given, 1));
  auto asymmetric = given;
  asymmetric.weights.symmetric = false;
  EXPECT_TRUE(contains(problems(asymmetric, ErrorCode::unsupported), "no zero points of experts"));
  auto mixed = given;
  mixed.layers = {{.select = "**.experts.2.down_proj", .weights = {.bits = 8}}, {.select = "**.q_a_proj", .precision = Precision::source}};
  const auto text = problems(mixed, ErrorCode::unsupported);
  EXPECT_TRUE(contains(text, "one kernel") && contains(text, "model.layers.0.mlp.experts")) << text;
  EXPECT_TRUE(contains(text, "fused_qkv_a_proj")) << text;
  auto odd = given;
  odd.weights = {.bits = 3, .group_size = 16};
  const auto both = problems(odd, ErrorCode::unsupported);
  EXPECT_TRUE(contains(both, "4 and 8 bits") && contains(both, "groups of 32, 64 and 128")) << both;
  odd.runtime = Runtime::llama_cpp;
  EXPECT_TRUE(contains(problems(odd, ErrorCode::unsupported), "GGUF"));
}

TEST_F(Planned, AllProblemsAreNamedAtOnce) {
  auto given = options();
  given.weights.group_size = 128;
  given.layers = {{.select = "**.q_prj", .weights = {.bits = 8}}};
  const auto text = problems(given, ErrorCode::recipe);
  EXPECT_TRUE(contains(text, "groups of 128 do not divide the 64 columns")) << text;
  EXPECT_TRUE(contains(text, "groups of 128 do not divide the 96 columns")) << text;
  EXPECT_TRUE(contains(text, "group_size: 32 does")) << text;
  EXPECT_TRUE(contains(text, "`**.q_prj`")) << text;
}

TEST_F(Planned, DamagedFoldersAreDescribed) {
  auto tensors = llama_tensors();
  fs::create_directories(file("set"));
  const auto first = tensors.extract("lm_head.weight");
  write_tensors(file("set/a.safetensors"), tensors);
  write_tensors(file("set/b.safetensors"), {{first.key(), first.mapped()}});
  nlohmann::json map;
  for (const auto& [name, tensor] : tensors) map[name] = "a.safetensors";
  map["lm_head.weight"] = "b.safetensors";
  map["old.weight"] = "a.safetensors";
  map["far.weight"] = "c.safetensors";
  map.erase("model.embed_tokens.weight");
  spit(file("set/model.safetensors.index.json"), nlohmann::json{{"weight_map", map}}.dump());
  const auto text = problems(options_for(file("set")), ErrorCode::model_file);
  EXPECT_TRUE(contains(text, "shards that are missing: `c.safetensors`")) << text;
  EXPECT_TRUE(contains(text, "their shards do not hold: `old.weight`")) << text;
  EXPECT_TRUE(contains(text, "the index does not name: `model.embed_tokens.weight`")) << text;
  fs::remove(file("set/model.safetensors.index.json"));
  EXPECT_NO_THROW(make_plan(options_for(file("set")), 1));  // all shards in the folder
  fs::resize_file(file("set/b.safetensors"), fs::file_size(file("set/b.safetensors")) - 10);
  EXPECT_TRUE(contains(problems(options_for(file("set")), ErrorCode::model_file), "lm_head.weight"));
  write_tensors(file("set/b.safetensors"), {{"model.embed_tokens.weight", first.mapped()}});
  EXPECT_TRUE(contains(problems(options_for(file("set")), ErrorCode::model_file), "in two shards: `model.embed_tokens.weight`"));
}

TEST_F(Planned, Fp8WithoutScalesMeansNothing) {
  fs::create_directories(file("f8"));
  const Stored weight{"F8_E4M3", {130, 64}, std::string(130 * 64, '\x20')};
  write_tensors(file("f8/model.safetensors"), {{"a.weight", weight}, {"b.weight", weight}, {"b.weight_scale_inv", {"F32", {1, 1}, std::string(4, '\0')}}});
  const auto text = problems(options_for(file("f8")), ErrorCode::model_file);
  EXPECT_TRUE(contains(text, "have no scale") && contains(text, "`a.weight`")) << text;
  EXPECT_TRUE(contains(text, "`b.weight_scale_inv` is F32 [1,1]") && contains(text, "[2,1]")) << text;
}

TEST_F(Planned, WhatIsQuantisedAlreadyIsRefused) {
  spit(file("in/config.json"), R"({"model_type": "llama", "quantization_config": {"quant_method": "gptq"}})");
  EXPECT_TRUE(contains(problems(options(), ErrorCode::unsupported), "quantised already (`gptq`)"));
}

TEST_F(Planned, UnknownArchitecturesAndMissingConfigsWork) {
  spit(file("in/config.json"), R"({"architectures": ["NobodysModel"], "model_type": "unheard"})");
  EXPECT_NO_THROW(make_plan(options(), 1));
  fs::remove(file("in/config.json"));
  EXPECT_NO_THROW(convert_to(options(), file("out")));
  EXPECT_FALSE(fs::exists(file("out/config.json")));
  EXPECT_NO_THROW(convert_to(options_for(file("in/model.safetensors")), file("alone")));
}

TEST_F(Planned, MemoryThatIsTooSmallIsSaid) {
  auto given = options();
  given.memory = {1, "kB"};
  EXPECT_TRUE(contains(problems(given, ErrorCode::resource), "on 1 threads, and memory is"));
}

TEST_F(Planned, FilesOfOtherFormatsAreLeftOut) {
  spit(file("in/pytorch_model.bin"), "weights");
  spit(file("in/generation_config.json"), "{}");
  fs::create_directories(file("in/original"));
  const auto plan = make_plan(options(), 1);
  EXPECT_EQ(plan.copied, (std::vector<std::string>{"generation_config.json", "tokenizer.json"}));
  EXPECT_EQ(plan.left_out, (std::vector<std::string>{"original", "pytorch_model.bin"}));
}

// --- recipes ---

TEST_F(Planned, RecipesSayTheSameAsOptions) {
  spit(file("recipe.yaml"), R"(version: 1
vars: {bits: 8}
checkpoint:
  path: in
  weights: {bits: "${bits}", group_size: 32, scales: hqq}
  layers:
    - {select: "**.v_proj", precision: bf16}
  shard_size: 1MB
threads: 3
)");
  const auto recipe = find_recipe({.path = file("recipe.yaml")});
  ASSERT_TRUE(recipe);
  EXPECT_EQ(recipe->threads, 3);
  EXPECT_EQ(recipe->checkpoint.path.path, file("in"));
  EXPECT_EQ(bytes_of(recipe->checkpoint.shard_size), 1'000'000);
  EXPECT_EQ(way_of(make_plan(recipe->checkpoint, 1), "model.layers.0.self_attn.q_proj"), "W8A16, groups of 32, hqq");
  const auto same = recipe_for(file("in"), {{"weights.bits", "8"}, {"weights.group_size", "32"}, {"checkpoint.weights.scales", "hqq"}, {"threads", "3"}});
  EXPECT_EQ(same.checkpoint.weights, recipe->checkpoint.weights);
  EXPECT_EQ(same.threads, 3);
}

TEST_F(Planned, MistakesInRecipesAreFound) {
  spit(file("recipe.yaml"), "version: 1\ncheckpoint:\n  path: in\n  weights: {bits: 9, group: 3}\n  runtime: tgi\n  precision: int\n");
  const auto error = error_of([&] { find_recipe({.path = file("recipe.yaml")}); });
  const std::string text = error.what();
  for (const std::string part : {"bits", "group", "runtime", "recipe.yaml:4", "recipe.yaml:5"}) EXPECT_TRUE(contains(text, part)) << text;
  spit(file("other.yaml"), "version: 1\nmodel: {path: x.pt2}\n");
  EXPECT_FALSE(find_recipe({.path = file("other.yaml")}));
}

TEST_F(Planned, ProblemsLeadIntoTheRecipe) {
  spit(file("recipe.yaml"), "version: 1\ncheckpoint:\n  path: in\n  layers:\n    - {select: nothing}\n  weights: {group_size: 128}\n");
  const auto recipe = find_recipe({.path = file("recipe.yaml")});
  ASSERT_TRUE(recipe);
  const auto error = with_places(*recipe, error_of([&] { make_plan(recipe->checkpoint, 1); }));
  EXPECT_TRUE(contains(error.what(), "recipe.yaml:5:")) << error.what();
  EXPECT_TRUE(contains(error.what(), "recipe.yaml:6:")) << error.what();
}

}  // namespace
}  // namespace dsc::checkpoint
