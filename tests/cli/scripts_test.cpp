// scripts/prepare_data.py and scripts/export_model.py as users call them, on small files and libraries of the tests' own.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "support/program.h"
#include "support/python.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

const std::string kRoot = DSC_SOURCE_DIR;

ProgramResult prepare(const std::string& arguments) { return run_shell("env -u DSCOMPRESS_DATA " + python() + " " + kRoot + "/scripts/prepare_data.py " + arguments); }

const std::vector<std::string> kBatches = {"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"};

TEST(PrepareData, SaysWhereToGetWhatNoRegistryHas) {
  const TempFolder folder;
  // Some are made of another one.
  for (const auto& [name, needed] : std::map<std::string, std::string>{
           {"cifar10", "cifar10"}, {"sst2", "sst2"}, {"stories", "stories260k"}, {"words", "words"}, {"texts", "wikitext2"}}) {
    const auto result = prepare(name + " --to " + folder.path());
    EXPECT_NE(result.status, 0);
    EXPECT_TRUE(contains(result.err, "prepare_data.py " + needed + " --from FOLDER")) << result.err;
    EXPECT_FALSE(contains(result.err, "Traceback")) << result.err;
  }
  const auto lacking = prepare("cifar10 --from " + folder.path() + " --to " + folder.file("data"));
  EXPECT_TRUE(contains(lacking.err, folder.path())) << lacking.err;
  EXPECT_FALSE(contains(lacking.err, "Traceback")) << lacking.err;
  EXPECT_FALSE(fs::exists(folder.file("data")));
}

TEST(PrepareData, FindsFilesInAFolderOrBelowIt) {
  for (const char* inner : {"/", "/sst2/", "/SST-2/"}) {
    const TempFolder folder;
    fs::create_directories(folder.path() + inner);
    for (const char* name : {"train.tsv", "dev.tsv"}) spit(folder.path() + inner + name, std::string("sentence\tlabel\n") + name + "\t1\n");
    const auto result = prepare("sst2 --from " + folder.path() + " --to " + folder.file("data"));
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(slurp(folder.file("data/sst2/dev.tsv")), "sentence\tlabel\ndev.tsv\t1\n");
  }
}

// SST-2 has sentences and phrases of them, sets of words apart here; what is held out is compared by searching every line in every other.
TEST(PrepareData, HoldsSentencesOutWithAllTheirPhrases) {
  const TempFolder folder;
  std::vector<std::string> lines;
  for (int i = 0; i < 21; ++i) {
    const auto word = [&](int k) { return "w" + std::to_string(i) + "x" + std::to_string(k); };
    const std::string head = word(0) + " " + word(1), tail = word(2) + " good " + word(3);
    for (const std::string& phrase : {tail, head + " " + tail + " .", head, std::string("good"), word(0) + "s"}) lines.push_back(phrase + " \t1");
  }
  std::string content = "sentence\tlabel\n";
  for (const auto& line : lines) content += line + "\n";
  spit(folder.file("train.tsv"), content);
  spit(folder.file("dev.tsv"), "sentence\tlabel\n");
  const auto read = [&](const std::string& name) {
    std::istringstream text(slurp(folder.file("data/sst2/" + name + ".tsv")));
    std::vector<std::string> found;
    for (std::string line; std::getline(text, line);) found.push_back(line);
    EXPECT_EQ(found.at(0), "sentence\tlabel") << name;
    found.erase(found.begin());
    return found;
  };
  // Words end at spaces: `w1x0` is no part of `w1x0s`.
  const auto is_part = [](const std::string& part, const std::string& whole) {
    const auto words = [](const std::string& line) { return " " + line.substr(0, line.find('\t')); };
    return contains(words(whole), words(part));
  };
  std::vector<std::string> sentences, fit;
  for (int repeat = 0; repeat < 2; ++repeat) {
    const auto result = prepare("sst2 --from " + folder.path() + " --to " + folder.file("data"));
    ASSERT_EQ(result.status, 0) << result.err;
    if (repeat > 0) {
      EXPECT_EQ(read("sentences"), sentences);
      EXPECT_EQ(read("fit"), fit);
    }
    sentences = read("sentences");
    fit = read("fit");
  }
  EXPECT_EQ(sentences.size(), 6U);  // a seventh of the 42 that are part of nothing else
  std::vector<std::string> wanted;
  for (const auto& line : lines) {
    if (std::ranges::none_of(sentences, [&](const auto& sentence) { return is_part(line, sentence); })) wanted.push_back(line);
  }
  EXPECT_EQ(fit, wanted);
  EXPECT_LT(fit.size(), lines.size() - sentences.size()) << "no sentence with phrases was held out";
  for (const auto& sentence : sentences) {
    EXPECT_TRUE(std::ranges::none_of(lines, [&](const auto& line) { return line != sentence && is_part(sentence, line); })) << sentence;
  }
}

// One picture of label 7 whose bytes are their places modulo 256, as CIFAR-10's own files hold them in both forms.
TEST(PrepareData, ReadsCifarInBothOfItsForms) {
  std::string record(1, '\x07');
  for (int i = 0; i < 3072; ++i) record += static_cast<char>(i % 256);
  const TempFolder folder;
  fs::create_directories(folder.file("cifar-10-batches-py"));
  fs::create_directories(folder.file("binary"));
  for (const auto& name : kBatches) spit(folder.file("binary/" + name + ".bin"), record);
  spit(folder.file("make.py"), "import pickle, sys\nimport numpy\nfor name in sys.argv[2:]:\n    with open(sys.argv[1] + '/' + name, 'wb') as file:\n"
                               "        pickle.dump({b'labels': [7], b'data': (numpy.arange(3072) % 256).astype(numpy.uint8).reshape(1, 3072)}, file, protocol=2)\n");
  std::string names;
  for (const auto& name : kBatches) names += " " + name;
  const auto made = run_shell(python() + " " + folder.file("make.py") + " " + folder.file("cifar-10-batches-py") + names);
  if (made.status != 0) GTEST_SKIP() << "no numpy: " << made.err;
  for (const auto& from : {folder.path(), folder.file("binary")}) {
    const auto out = folder.file("data-" + fs::path(from).filename().string());
    const auto result = prepare("cifar10 --from " + from + " --to " + out);
    ASSERT_EQ(result.status, 0) << result.err;
    for (const auto& name : kBatches) EXPECT_EQ(slurp(out + "/cifar10/" + name + ".bin"), record) << name << " from " << from;
  }
}

// A pickle can call anything; those of CIFAR-10 only make arrays.
TEST(PrepareData, RunsNoCodeOfABatch) {
  const TempFolder folder;
  for (const auto& name : kBatches) spit(folder.file(name), "cos\nsystem\n(S'touch " + folder.file("touched") + "'\ntR.");
  const auto result = prepare("cifar10 --from " + folder.path() + " --to " + folder.file("data"));
  EXPECT_NE(result.status, 0);
  EXPECT_TRUE(contains(result.err, "system")) << result.err;
  EXPECT_FALSE(fs::exists(folder.file("touched")));
}

// Paragraphs from all over each text, headings and short ones left out; stories from tokens of which one is a byte and one begins a story.
TEST(PrepareData, TakesTextsThatLanguageModelsAreJudgedOn) {
  const TempFolder folder;
  const std::string heading = " = Heading = \n";
  std::string wiki;
  for (int i = 0; i < 900; ++i) wiki += heading + std::to_string(1000 + i) + std::string(395, 'x') + "\n";
  spit(folder.file("test.txt"), wiki);
  spit(folder.file("valid.txt"), heading + std::string(300, 'v') + "\n");
  spit(folder.file("small.context"), std::string(250, 'c') + "\n" + std::string(250, 'c') + "\n" + std::string(250, 'd') + "\n");
  std::string tokens("\x07\0\0\0", 4);
  for (const std::string piece : {"\n<s>\n", "<0x0A>", " abc"})
    tokens += std::string("\0\0\0\0", 4) + std::string(1, static_cast<char>(piece.size())) + std::string(3, '\0') + piece;
  spit(folder.file("tok512.bin"), tokens);
  const auto made = run_shell(python() + " -c \"import numpy; numpy.save('" + folder.file("tinystories_ids.npy") +
                              "', numpy.array([[0] + [2] * 60 + [1] + [2] * 10 + [0, 2]]))\"");
  if (made.status != 0) GTEST_SKIP() << "no numpy: " << made.err;
  const auto result = prepare("texts --from " + folder.path() + " --to " + folder.file("data"));
  ASSERT_EQ(result.status, 0) << result.err;
  const auto text = [&](const std::string& name) { return slurp(folder.file("data/texts/" + name + ".txt")); };
  std::string wanted;
  for (int i = 0; i < 225; ++i) wanted += std::to_string(1000 + i * 900 / 225) + std::string(395, 'x') + "\n";
  EXPECT_EQ(text("wikitext2"), wanted);
  EXPECT_EQ(text("calibration"), std::string(300, 'v') + "\n");
  EXPECT_EQ(text("squad"), std::string(250, 'c') + "\n" + std::string(250, 'd') + "\n");
  std::string story = "abc";
  for (int i = 0; i < 59; ++i) story += " abc";
  story += "\n";
  for (int i = 0; i < 10; ++i) story += " abc";
  EXPECT_EQ(text("stories"), story + "\n");
}

// transformers imports it for some tokenizers.
TEST(ExportTokenizer, DoesWithoutWhatATorchvisionCannotLoad) {
  const TempFolder folder;
  fs::create_directories(folder.file("torchvision"));
  spit(folder.file("torchvision/__init__.py"), "from . import _meta_registrations\n");
  spit(folder.file("torchvision/_meta_registrations.py"), "raise RuntimeError('operator torchvision::nms does not exist')\n");
  spit(folder.file("transformers.py"),
       "class AutoTokenizer:\n    def from_pretrained(*_, **__):\n        import torchvision\n        raise SystemExit('asked for ' + "
       "torchvision.__name__)\n");
  for (const std::string module : {"openvino", "openvino_tokenizers"}) spit(folder.file(module + ".py"), "");
  const auto result = run_shell("env PYTHONPATH=" + folder.path() + " " + python() + " " + kRoot + "/scripts/export_tokenizer.py " + folder.path() +
                                " --generation " + folder.file("out"));
  EXPECT_TRUE(contains(result.err, "asked for torchvision")) << result.err;
}

class ExportModel : public testing::Test {
 protected:
  void SetUp() override {
    if (run_shell(python() + " -c 'import torch'").status != 0) GTEST_SKIP() << "no torch in Python";
    fs::create_directories(folder.file("torchvision"));
    spit(folder.file("torchvision/models.py"),
         "import torch\n"
         "def list_models():\n    return ['tiny']\n"
         "def get_model(name, weights=None):\n"
         "    if weights == 'DEFAULT' and not DOWNLOADS:\n        raise OSError('no route to host')\n"
         "    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 2))\n"
         "    if weights == 'DEFAULT':\n        torch.nn.init.constant_(model[1].weight, 0.5)\n"
         "    return model\n"
         "DOWNLOADS = True\n");
  }
  ProgramResult export_tiny(const std::string& more) {
    return run_shell("env PYTHONPATH=" + folder.path() + " " + python() + " " + kRoot + "/scripts/export_model.py torchvision:tiny --image 8x8 --out " +
                     folder.file("tiny.pt2") + " " + more);
  }
  TempFolder folder;
};

TEST_F(ExportModel, LeavesATorchvisionThatLoadsAsItIs) {
  spit(folder.file("torchvision/__init__.py"), "from . import _meta_registrations, models\nassert _meta_registrations.REAL\n");
  spit(folder.file("torchvision/_meta_registrations.py"), "REAL = True\n");
  EXPECT_EQ(export_tiny("").status, 0) << export_tiny("").err;
}

TEST_F(ExportModel, DoesWithoutWhatATorchvisionCannotLoad) {
  spit(folder.file("torchvision/__init__.py"), "from . import _meta_registrations, models\n");
  spit(folder.file("torchvision/_meta_registrations.py"), "raise RuntimeError('operator torchvision::nms does not exist')\n");
  EXPECT_EQ(export_tiny("").status, 0) << export_tiny("").err;
}

// Rotary embeddings as DeepSeek-V2 and Llama 4 write them.
TEST_F(ExportModel, WritesComplexRotationsAsRealNumbers) {
  spit(folder.file("rope.py"),
       "import torch\n"
       "class Rope(torch.nn.Module):\n"
       "    def forward(self, x):\n"
       "        angle = torch.arange(x.shape[1]).float()[:, None] * torch.tensor([1.0, 0.1])\n"
       "        turn = torch.polar(torch.ones_like(angle), angle) * 0.5\n"
       "        pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))\n"
       "        return torch.view_as_real(pairs * turn.unsqueeze(0).to(x.device)).flatten(2)\n"
       "    def example_inputs(self):\n        return (torch.randn(2, 3, 4),)\n");
  const auto program = folder.file("rope.pt2");
  const auto exported = run_shell(python() + " " + kRoot + "/scripts/export_model.py " + folder.file("rope.py") + ":Rope --dynamic batch,x.1 --out " + program);
  ASSERT_EQ(exported.status, 0) << exported.err;
  spit(folder.file("compare.py"),
       "import sys, torch\nsys.path.insert(0, '" + folder.path() + "')\nimport rope\n"
       "program = torch.export.load('" + program + "')\nx = torch.randn(3, 5, 4)\n"
       "print(float((program.module()(x) - rope.Rope()(x)).abs().max()) < 1e-6, 'complex' in str(program.graph))\n");
  EXPECT_EQ(run_shell(python() + " " + folder.file("compare.py")).out, "True False\n");
}

// A mixture of experts has another form that can be chosen; other code has to be changed.
TEST_F(ExportModel, SaysWhatToDoWhenCodeDecidesByValues) {
  spit(folder.file("loop.py"),
       "import torch\n"
       "class Loop(torch.nn.Module):\n"
       "    def forward(self, x):\n        return sum(x[i] for i in (x[:, 0] > 0).nonzero())\n"
       "    def example_inputs(self):\n        return (torch.randn(4, 3),)\n"
       "class Experts(Loop):\n"
       "    def _can_set_experts_implementation(self):\n        return True\n"
       "    def set_experts_implementation(self, form):\n        pass\n");
  const auto export_class = [&](const std::string& name) {
    const auto exported = run_shell(python() + " " + kRoot + "/scripts/export_model.py " + folder.file("loop.py") + ":" + name + " --out " + folder.file("loop.pt2"));
    EXPECT_NE(exported.status, 0);
    EXPECT_FALSE(contains(exported.err, "Traceback")) << exported.err;
    return exported.err;
  };
  const std::string plain = export_class("Loop"), experts = export_class("Experts");
  EXPECT_TRUE(contains(plain, "change that code")) << plain;
  EXPECT_FALSE(contains(plain, "--experts")) << plain;
  EXPECT_TRUE(contains(experts, "--experts batched_mm")) << experts;
}

TEST_F(ExportModel, AsksForPretrainedWeightsWhenTold) {
  spit(folder.file("torchvision/__init__.py"), "from . import models\n");
  ASSERT_EQ(export_tiny("--pretrained").status, 0);
  const auto exported = run_program("inspect " + folder.file("tiny.pt2"));
  EXPECT_EQ(exported.status, 0) << exported.err;
  const auto check = run_shell(python() + " -c 'import torch; print(float(torch.export.load(\"" + folder.file("tiny.pt2") + "\").state_dict[\"1.weight\"].mean()))'");
  EXPECT_EQ(check.out, "0.5\n") << check.err;
  spit(folder.file("torchvision/models.py"), slurp(folder.file("torchvision/models.py")) + "DOWNLOADS = False\n");
  const auto offline = export_tiny("--pretrained");
  EXPECT_NE(offline.status, 0);
  EXPECT_TRUE(contains(offline.err, "no pretrained weights for torchvision:tiny")) << offline.err;
  EXPECT_FALSE(contains(offline.err, "Traceback")) << offline.err;
}

}  // namespace
}  // namespace dsc::test
