// The program as users meet it: help, exit statuses, messages, JSON, plugins.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "support/program.h"

namespace dsc::test {
namespace {

TEST(Program, VersionGoesToStdoutAndSucceeds) {
  const auto result = run_program("--version");
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(result.out.starts_with("dscompress 0.")) << result.out;
  EXPECT_EQ(result.err, "");
}

TEST(Program, EverySubcommandHasHelpWithAnExample) {
  for (const auto* command : {"run",    "resume", "validate", "plan",   "eval",   "sense", "compare", "gate",   "inspect",    "bench",
                              "export", "opt",    "reduce",   "passes", "schema", "init",  "report",  "doctor", "completion", "help"}) {
    const auto result = run_program(std::string(command) + " --help");
    EXPECT_EQ(result.status, 0) << command;
    EXPECT_TRUE(contains(result.out, "xample")) << command << ": " << result.out;
    EXPECT_TRUE(contains(result.out, std::string("dscompress ") + command)) << command << ": " << result.out;
  }
}

TEST(Program, UsageErrorsExitWithTwo) {
  for (const auto* arguments : {"", "nonsense", "run", "run recipe.yaml --no-such-option", "bench --batch 0 x.pt2", "passes nonsense", "schema nonsense"}) {
    const auto result = run_program(arguments);
    EXPECT_EQ(result.status, 2) << arguments << ": " << result.err;
    EXPECT_EQ(result.out, "") << arguments;
    EXPECT_NE(result.err, "") << arguments;
  }
}

TEST(Program, AnUnknownCommandIsNamedWithTheNearest) {
  const auto result = run_program("benhc model.pt2");
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(contains(result.err, "`benhc`")) << result.err;
  EXPECT_TRUE(contains(result.err, "did you mean `bench`?")) << result.err;
  EXPECT_TRUE(contains(run_program("--quiet nonsense --json").err, "`nonsense`"));
  EXPECT_FALSE(contains(run_program("--quiet").err, "there is no command"));
}

TEST(Program, MissingFilesAreNamed) {
  const auto model = run_program("inspect no-such.pt2");
  EXPECT_EQ(model.status, 3);
  EXPECT_TRUE(contains(model.err, "no-such.pt2")) << model.err;
  const auto recipe = run_program("run no-such.yaml");
  EXPECT_EQ(recipe.status, 2);
  EXPECT_TRUE(contains(recipe.err, "no-such.yaml")) << recipe.err;
}

// What is deployed is timed and looked at beside what it was made from.
TEST(Program, OpenVinoFilesAreInspectedAndTimed) {
  const TempFolder folder;
  const std::string model = DSC_SOURCE_DIR "/tests/fixtures/exec/residual.pt2", xml = folder.file("net.xml");
  const auto exported = run_program("export " + model + " --to " + xml);
  if (contains(exported.err, "no OpenVINO engine")) GTEST_SKIP() << "built without OpenVINO";
  ASSERT_EQ(exported.status, 0) << exported.err;
  const auto inspected = run_program("inspect --json " + xml);
  ASSERT_EQ(inspected.status, 0) << inspected.err;
  const auto seen = nlohmann::json::parse(inspected.out);
  EXPECT_EQ(seen.at("inputs").size(), nlohmann::json::parse(run_program("inspect --json " + model).out).at("inputs").size());
  EXPECT_GT(seen.at("layers").size(), 0U);
  const auto timed = run_program("bench " + model + " " + xml + " --batch 2 --iterations 2 --warmup 1 --min-seconds 0 --json");
  ASSERT_EQ(timed.status, 0) << timed.err;
  const auto latencies = nlohmann::json::parse(timed.out).at("latency");
  ASSERT_EQ(latencies.size(), 2U);
  EXPECT_EQ(latencies[1].at("model"), "net.xml");
  EXPECT_EQ(latencies[0].at("engine"), latencies[1].at("engine"));
  EXPECT_EQ(run_program("bench --engine libtorch " + xml).status, 2);
  EXPECT_EQ(run_program("bench --train " + xml).status, 2);
  spit(folder.file("damaged.xml"), "<net>");
  EXPECT_EQ(run_program("inspect " + folder.file("damaged.xml")).status, 3);
  EXPECT_EQ(run_program("bench " + folder.file("none.xml")).status, 3);
}

// Another LibTorch in the place of the one that the program was built for: a library of that name which says so.
TEST(Program, AnotherLibTorchIsNamedAtTheStart) {
  if (dlsym(RTLD_DEFAULT, "__asan_init")) GTEST_SKIP() << "AddressSanitizer has to come before all libraries, preloaded ones among them";
  const TempFolder folder;
  spit(folder.file("torch.c"), "unsigned long aoti_torch_abi_version(void) { return 2ul << 56 | 5ul << 48 | 1ul << 40; }\n");
  const auto fake = folder.file("libtorch_cpu.so");
  const auto built = run_shell("cc -shared -fPIC -Wl,-soname,libtorch_cpu.so -o " + fake + " " + folder.file("torch.c"));
  if (built.status != 0) GTEST_SKIP() << "no C compiler: " << built.err;
  const auto result = run_shell("env LD_PRELOAD=" + fake + " " DSC_BINARY_DIR "/bin/dscompress doctor");
  EXPECT_EQ(result.status, 3);
  EXPECT_TRUE(contains(result.err, fake + " is LibTorch 2.5.1")) << result.err;
  EXPECT_TRUE(contains(result.err, "built for LibTorch 2.")) << result.err;
}

TEST(Program, PassesListsTheBuiltInOnes) {
  const auto result = run_program("passes --json");
  ASSERT_EQ(result.status, 0) << result.err;
  std::vector<std::string> ids;
  for (const auto& pass : nlohmann::json::parse(result.out)) {
    ids.push_back(pass.at("id"));
    EXPECT_FALSE(pass.at("summary").get<std::string>().empty());
    for (const auto& option : pass.at("options")) EXPECT_FALSE(option.at("text").get<std::string>().empty()) << ids.back() << " " << option;
  }
  for (const auto* id :
       {"distill", "drop_blocks", "early_exit", "finetune", "fuse", "group_convolutions", "low_rank", "prune", "quantize", "sparsify_attention"})
    EXPECT_NE(std::find(ids.begin(), ids.end(), id), ids.end()) << id;
}

TEST(Program, SchemasAreValidJson) {
  for (const auto* what : {"recipe", "report"}) {
    const auto result = run_program(std::string("schema ") + what);
    ASSERT_EQ(result.status, 0) << result.err;
    EXPECT_TRUE(nlohmann::json::parse(result.out).contains("properties")) << what;
  }
}

TEST(Program, DoctorTellsWhatCapsThreads) {
  const auto notes_with = [](const std::string& environment) {
    const auto result = run_shell("env -u OMP_NUM_THREADS " + environment + " " DSC_BINARY_DIR "/bin/dscompress doctor --json");
    return nlohmann::json::parse(result.out).at("machine_notes").dump();
  };
  EXPECT_FALSE(contains(notes_with(""), "OMP_NUM_THREADS"));
  const bool many = std::thread::hardware_concurrency() > 1;
  EXPECT_EQ(contains(notes_with("OMP_NUM_THREADS=1"), "OMP_NUM_THREADS=1 caps threads"), many);
  EXPECT_EQ(contains(notes_with("taskset -c 0"), "may run on 1 of"), many);
}

TEST(Program, DoctorTellsThatACapOfInstructionsCrashesOpenvino) {
  const auto json_with = [](const std::string& environment) {
    return nlohmann::json::parse(run_shell("env " + environment + " " DSC_BINARY_DIR "/bin/dscompress doctor --json").out);
  };
  const auto json = json_with("ONEDNN_MAX_CPU_ISA=avx2");
  const bool concerned = contains(json.at("cpu_features").dump(), "avx512f") && json.at("openvino") != "not built in";
  EXPECT_EQ(contains(json.at("processor_notes").dump(), "ONEDNN_MAX_CPU_ISA=AVX2"), concerned);
  EXPECT_FALSE(contains(json_with("ONEDNN_MAX_CPU_ISA=AVX512_CORE_AMX").at("processor_notes").dump(), "ONEDNN_MAX_CPU_ISA"));
}

TEST(Program, DoctorTellsVersions) {
  const auto result = run_program("doctor --json");
  ASSERT_EQ(result.status, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_TRUE(json.at("libtorch").get<std::string>().starts_with("2."));
  const bool emulated = json.at("bf16") == "emulated";
  const auto notes = json.at("processor_notes").dump();
  EXPECT_EQ(contains(notes, "bf16"), emulated) << notes;
  EXPECT_EQ(contains(notes, "VNNI"), !contains(json.at("cpu_features").dump(), "vnni")) << notes;
}

TEST(Program, InitWritesARecipeThatValidates) {
  const TempFolder folder;
  ASSERT_EQ(run_program("init " + folder.file("recipe.yaml")).status, 0);
  const auto result = run_program("validate --recipe-only " + folder.file("recipe.yaml"));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(run_program("init " + folder.file("recipe.yaml")).status, 2) << "must not overwrite";
}

// What bash offers for `words`, the last of which is being typed.
std::string completed(const std::string& words, int last) {
  const TempFolder folder;
  spit(folder.file("ask.sh"), "source <(" DSC_BINARY_DIR "/bin/dscompress completion bash)\nCOMP_WORDS=(" + words + ")\nCOMP_CWORD=" +
                                  std::to_string(last) + "\n_dscompress\necho \"${COMPREPLY[@]}\"\n");
  const auto result = run_shell("bash " + folder.file("ask.sh"));
  return result.status == 0 ? result.out : "failed";
}

TEST(Program, BashCompletesCommandsAndTheirOptions) {
  EXPECT_EQ(completed("dscompress ben", 1), "bench\n");
  EXPECT_EQ(completed("dscompress --quiet bench --channels", 3), "--channels-last\n");
  EXPECT_EQ(completed("dscompress run --channels", 2), "\n");
  EXPECT_EQ(completed("dscompress run rec", 2), "\n") << "files are the shell's to complete";
  EXPECT_EQ(run_program("completion tcsh").status, 2);
}

// In zsh and fish themselves where they are installed: what they offer for a command line.
TEST(Program, FishCompletesCommandsAndTheirOptions) {
  if (run_shell("fish --version").status != 0) GTEST_SKIP() << "no fish";
  const auto offered = [](const std::string& line) {
    return run_shell("fish --no-config -c 'source (" DSC_BINARY_DIR "/bin/dscompress completion fish | psub); complete -C \"" + line + "\"'").out;
  };
  EXPECT_TRUE(contains(offered("dscompress ben"), "bench"));
  EXPECT_TRUE(contains(offered("dscompress bench --channels"), "--channels-last"));
}

TEST(Program, ZshTakesItsCompletionFromAFolder) {
  if (run_shell("zsh --version").status != 0) GTEST_SKIP() << "no zsh";
  const TempFolder folder;
  spit(folder.file("_dscompress"), run_program("completion zsh").out);
  // compadd and _files as the completion system defines them are not there outside of a terminal: these say what they are asked for.
  const auto offered = [&](const std::string& words, const std::string& prefix) {
    spit(folder.file("ask.zsh"), "fpath=(" + folder.path() +
                                     " $fpath)\nautoload -Uz _dscompress\ncompadd() { if [[ $1 == -a ]]; then print -l -- ${(P)2}; else shift; print "
                                     "-l -- $@; fi }\n_files() { print files }\n"
                                     "words=(" +
                                     words + ")\nCURRENT=$#words\nPREFIX=" + prefix + "\n_dscompress\n");
    return "\n" + run_shell("zsh -f " + folder.file("ask.zsh")).out;
  };
  EXPECT_TRUE(contains(offered("dscompress ben", "ben"), "\nbench\n"));
  EXPECT_TRUE(contains(offered("dscompress bench --channels", "--channels"), "\n--channels-last\n"));
  EXPECT_FALSE(contains(offered("dscompress run --channels", "--channels"), "--channels-last"));
  EXPECT_EQ(offered("dscompress run rec", "rec"), "\nfiles\n");
}

TEST(Program, EveryCommandHasAManualPage) {
  const TempFolder folder;
  ASSERT_EQ(run_program("help --man --to " + folder.file("man1")).status, 0);
  std::size_t pages = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder.file("man1"))) {
    const auto roff = slurp(file.path());
    for (const auto* section :
         {".TH DSCOMPRESS", ".SH NAME\ndscompress", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH EXIT STATUS\n", ".SH EXAMPLES\n"})
      EXPECT_TRUE(contains(roff, section)) << file.path() << section;
    ++pages;
  }
  const auto listed = run_program("completion bash").out;
  const auto commands = listed.substr(listed.find("case \" ") + 7, listed.find(" \" in") - listed.find("case \" ") - 7);
  EXPECT_EQ(pages, 2U + static_cast<std::size_t>(std::count(commands.begin(), commands.end(), ' '))) << commands;
  const auto page = run_program("help run --man");
  EXPECT_EQ(page.out, slurp(folder.file("man1/dscompress-run.1")));
  EXPECT_TRUE(contains(page.out, "\\fB\\-\\-output\\-dir\\fR"));
  if (run_shell("mandoc -T lint /dev/null").status > 3) GTEST_SKIP() << "no mandoc";
  const auto linted = run_shell("mandoc -T lint -W warning " + folder.file("man1") + "/dscompress.1 " + folder.file("man1") + "/dscompress-run.1 " +
                                folder.file("man1") + "/dscompress-cache.1");
  EXPECT_EQ(linted.status, 0) << linted.out;
}

TEST(Program, HelpShowsWhatTheOptionShows) {
  EXPECT_EQ(run_program("help bench").out, run_program("bench --help").out);
  EXPECT_EQ(run_program("help").out, run_program("--help").out);
  EXPECT_TRUE(contains(run_program("help cache list").out, "list"));
  const auto unknown = run_program("help benhc");
  EXPECT_EQ(unknown.status, 2);
  EXPECT_TRUE(contains(unknown.err, "did you mean `bench`?")) << unknown.err;
  EXPECT_EQ(run_program("help run --to somewhere").status, 2) << "--to is of --man";
}

TEST(Program, PluginThatIsNoneIsRefused) {
  const TempFolder folder;
  spit(folder.file("libnot.so"), "not a library");
  const auto result = run_program("--plugin " + folder.file("libnot.so") + " passes");
  EXPECT_EQ(result.status, 2);
  EXPECT_TRUE(contains(result.err, "libnot.so")) << result.err;
}

TEST(Program, LogJsonIsOneObjectALine) {
  const auto result = run_program("--log-json inspect no-such.pt2");
  EXPECT_EQ(result.status, 3);
  EXPECT_EQ(nlohmann::json::parse(result.err).at("level"), "error");
}

}  // namespace
}  // namespace dsc::test
