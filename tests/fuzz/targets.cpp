#include "fuzz/targets.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/compose.h"
#include "core/file.h"
#include "data/coco.h"
#include "data/image_file.h"
#include "data/open.h"
#include "data/series.h"
#include "data/squad_read.h"
#include "dscompress/error.h"
#include "fuzz/mutate.h"
#include "io/pt2.h"
#include "io/safetensors.h"
#include "io/sample_inputs.h"
#include "io/torchscript.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "text/table.h"

namespace dsc::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<Seed> seeds_in(const std::string& folder, const std::vector<std::string>& extensions) {
  std::vector<Seed> seeds;
  for (const auto& entry : fs::directory_iterator(std::string(DSC_SOURCE_DIR "/") + folder)) {
    const auto extension = entry.path().extension().string();
    if (std::find(extensions.begin(), extensions.end(), extension) == extensions.end()) continue;
    seeds.push_back({entry.path().filename().string(), read_file(entry.path().string())});
  }
  std::sort(seeds.begin(), seeds.end(), [](const Seed& a, const Seed& b) { return a.name < b.name; });
  return seeds;
}

// --- changing ---

const std::string& another(const Target& target, Random& random) {
  return target.seeds[static_cast<std::size_t>(random.below(static_cast<std::int64_t>(target.seeds.size())))].bytes;
}

std::string mutate_bytes(const Target& target, const Seed& seed, Random& random) {
  return Mutator(random, target.words).mutate(seed.bytes, another(target, random));
}

// Mostly with right checksums: others are refused before anything is read.
std::string mutate_zip(const Target& target, const Seed& seed, Random& random) {
  if (random.below(6) == 0) return mutate_bytes(target, seed, random);
  Mutator mutator(random, target.words);
  return mutate_archive(seed.bytes, random, [&](const std::string& content) { return mutator.mutate(content, content); });
}

std::string mutate_safetensors(const Target& target, const Seed& seed, Random& random) {
  if (random.below(3) == 0) return mutate_bytes(target, seed, random);
  Mutator mutator(random, target.words);
  return mutate_header(seed.bytes, [&](const std::string& header) { return mutator.mutate(header, header); });
}

// --- reading ---

void read_program(const std::string& path) {
  const Model model = read_pt2(path);
  (void)read_sample_inputs(model);
  const auto problems = verify(model);
  (void)print_graph(model.graph);
  if (problems.empty()) write_pt2(model, path + ".out");
}

void read_tensors(const std::string& path) {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : read_safetensors(path).tensors) bytes += static_cast<std::int64_t>(tensor.nbytes());
  (void)bytes;
}

void read_script(const std::string& path) { (void)read_torchscript(path, {parse_input_spec("2,3,8,8")}); }

void read_recipe(const std::string& path) {
  std::vector<Problem> problems;
  const auto composed = compose({path, {}, {}}, problems);
  (void)to_yaml(composed.tree);
  (void)to_json(composed.tree);
}

void read_table(const std::string& path) {
  const TextTable table(path);
  for (const auto& name : table.names()) (void)table.column(name).size();
}

void read_picture(const std::string& path) {
  std::vector<std::uint8_t> planes;
  (void)read_image_header(path);
  (void)read_image(path, 3, 8, 8, planes);
}

void read_mask_of(const std::string& path) {
  std::vector<std::uint8_t> samples;
  (void)read_mask(path, 8, 8, samples);
}

void read_boxes(const std::string& path) { (void)read_coco(path); }

void read_one_series(const std::string& path) { (void)read_series(path); }

void read_questions(const std::string& path) { (void)read_squad(path); }

void read_array(const std::string& path) {
  SplitConfig split;
  split.format = DataFormat::tensors;
  split.path.path = path;
  split.split = "all";
  split.label = "";
  const auto dataset = open_dataset(split, std::nullopt);
  const std::vector<std::int64_t> first{0};
  if (dataset->size() > 0) (void)dataset->batch(first, std::nullopt);
}

const std::vector<Seed>& tables() {
  static const std::vector<Seed> seeds = {
      {"plain.csv", "text,label\ngood film,1\nbad film,0\n"},
      {"quoted.csv", "text,pair,label\n\"a, \"\"b\"\"\",\"line\nbreak\",3\r\nx,y,0.5\r\n"},
      {"plain.tsv", "sentence\tlabel\nit 's fine\t1\n\xc3\xa4rger\t0\n"},
      {"lines.jsonl", "{\"text\": \"a\\u00e4\\n\", \"label\": 1}\n{\"text\": \"b\", \"label\": 0}\n"},
  };
  return seeds;
}

const std::vector<Seed>& questions() {
  static const std::vector<Seed> seeds = {
      {"squad.json", R"({"version": "v2.0", "data": [{"title": "T", "paragraphs": [{"context": "The quick brown fox.", "qas": [{"id": "1", "question": "Who?",)"
                     R"( "answers": [{"text": "brown fox", "answer_start": 10}], "is_impossible": false}, {"id": "2", "question": "Why?", "answers": []}]}]}]})"}};
  return seeds;
}

const std::vector<Seed>& boxes() {
  static const std::vector<Seed> seeds = {
      {"coco.json", R"({"images": [{"id": 7, "file_name": "b.bmp", "width": 12, "height": 8}], "categories": [{"id": 30, "name": "cat"}],)"
                    R"( "annotations": [{"id": 1, "image_id": 7, "category_id": 30, "bbox": [1, 2, 3.5, 4], "area": 9.5, "iscrowd": 0}]})"}};
  return seeds;
}

const std::vector<Seed>& series() {
  static const std::vector<Seed> seeds = {
      {"one.ts", "#about\n@problemName Toy\n@univariate true\n@classLabel true up down\n@data\n1,2,3:up\n3,2.5,-1e-1:down\n"},
      {"many.ts", "@classLabel true a b\n@data\n1,2,3:4,5,6:a\n7,8,9:10,11,12:b\n"},
      {"one.arff",
       "%about\n@Relation one\n@attribute att1 numeric\n@attribute att2 numeric\n@attribute target {-1, 1}\n\n@data\n0.5,1.5,1\n2,3,-1\n"},
      {"many.arff",
       "@relation many\n@attribute series relational\n@attribute a1 numeric\n@attribute a2 numeric\n@end series\n@attribute class "
       "{x,y}\n@data\n'1,2\\n3,4',y\n"},
      {"table.tsv", "10\t1\t2\n2\t3\t4\n"},
  };
  return seeds;
}

std::vector<Seed> safetensors() {
  auto seeds = seeds_in("tests/fixtures/torchscript", {".safetensors"});
  const auto more = seeds_in("tests/fixtures/exec", {".safetensors"});
  seeds.insert(seeds.end(), more.begin(), more.end());
  return seeds;
}

std::vector<Seed> recipes() {
  auto seeds = seeds_in("tests/errors", {".yaml", ".json"});
  const auto more = seeds_in("configs", {".yaml"});
  seeds.insert(seeds.end(), more.begin(), more.end());
  return seeds;
}

}  // namespace

std::vector<Target> all_targets() {
  std::vector<Target> targets;
  targets.push_back({"pt2", ".pt2", {"as_tensor", "as_graph", "as_none", "\"name\": ", "[]", "{}", "s77", "Symbol('s1')", "torch.ops.aten.add.Tensor"},
                     seeds_in("tests/fixtures/io", {".pt2"}), mutate_zip, read_program});
  targets.push_back({"safetensors", ".safetensors", {"\"F32\"", "\"BF16\"", "data_offsets", "__metadata__", "[0, 0]", "{}"}, safetensors(), mutate_safetensors, read_tensors});
  targets.push_back({"torchscript", ".pt", {"return", "torch.", "(", ")", "[0]", "None", "__torch__."}, seeds_in("tests/fixtures/torchscript", {".pt"}), mutate_zip, read_script});
  targets.push_back({"recipe", ".yaml .json", {"${", "}", "<<: ", "*a", "&a ", "- ", ": ", "\n  ", "[", "{", "\"", "include: ", "${env:A:-b}", "|", ">", "!!"}, recipes(),
                     mutate_bytes, read_recipe});
  targets.push_back({"table", ".csv .tsv .jsonl .txt", {"\"", "\"\"", ",", "\t", "\r\n", "\xef\xbb\xbf", "{", "\\u"}, tables(), mutate_bytes, read_table});
  targets.push_back({"picture",
                     ".png .jpg .bmp",
                     {"IHDR", "IDAT", "PLTE", "tRNS", "\xff\xc0", "\xff\xda", "\xff\xc4", "BM"},
                     seeds_in("tests/fixtures/images", {".png", ".jpg", ".gif", ".tiff", ".webp"}),
                     mutate_bytes,
                     read_picture});
  targets.push_back({"mask", ".png", {"IHDR", "IDAT", "PLTE", "tRNS"}, seeds_in("tests/fixtures/images", {".png"}), mutate_bytes, read_mask_of});
  targets.push_back({"coco", ".json", {"bbox", "image_id", "[", "{", "1e300", "-1", "null", "\"7\""}, boxes(), mutate_bytes, read_boxes});
  targets.push_back({"series",
                     ".ts .arff .tsv",
                     {"@data", "@classLabel", "@attribute", "relational", "@end", "?", "NaN", ":", ",", "'", "1e999"},
                     series(),
                     mutate_bytes,
                     read_one_series});
  targets.push_back({"squad", ".json", {"answers", "context", "[", "{", "\\ud800", "null"}, questions(), mutate_bytes, read_questions});
  targets.push_back({"array", ".npy", {"fortran_order", "'<f4'", "'|u1'", "(0,)", "(1, 2, 3)"}, seeds_in("tests/fixtures/images", {".npy"}), mutate_bytes, read_array});
  return targets;
}

}  // namespace dsc::fuzz
