// dscompress serve as a process: from its first line to SIGTERM.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <nlohmann/json.hpp>

#include "serve/http_client.h"
#include "support/tiny_run.h"

namespace dsc::test {
namespace {

namespace fs = std::filesystem;

class ServeProcess {
 public:
  explicit ServeProcess(const std::vector<std::string>& arguments) {
    int ends[2];
    if (::pipe(ends) != 0) std::abort();
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      std::vector<std::string> words{DSC_BINARY_DIR "/bin/dscompress", "-q", "--threads", "1", "serve", "--port", "0"};
      words.insert(words.end(), arguments.begin(), arguments.end());
      std::vector<char*> pointers;
      for (auto& word : words) pointers.push_back(word.data());
      pointers.push_back(nullptr);
      ::execv(pointers.front(), pointers.data());
      std::_Exit(127);
    }
    ::close(ends[1]);
    output_ = ::fdopen(ends[0], "r");
    char line[256] = {};
    if (std::fgets(line, sizeof line, output_)) address_ = line;
  }
  ~ServeProcess() {
    if (child_ > 0) stop(SIGKILL);
    std::fclose(output_);
  }
  const std::string& address() const { return address_; }  // "http://127.0.0.1:41234/v2/models/NAME\n"
  int port() const { return std::atoi(address_.c_str() + std::string("http://127.0.0.1:").size()); }
  int stop(int signal) {
    ::kill(child_, signal);
    int state = 0;
    ::waitpid(child_, &state, 0);
    child_ = 0;
    return WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  }

 private:
  ::pid_t child_ = 0;
  std::FILE* output_ = nullptr;
  std::string address_;
};

TEST(Serve, ARunFolderIsServedUntilSigtermAndItsTrafficIsWritten) {
  const TinyRun folder(tiny_recipe_head() + "passes:\n  - quantize: {mode: ptq}\ndeploy: {openvino: {}}\n");
  const auto made = folder.run("net");
  if (contains(made.err, "no OpenVINO")) GTEST_SKIP() << "this build has no OpenVINO engine";
  ASSERT_EQ(made.status, 0) << made.err;
  ServeProcess serve({folder.file("net"), "--capture", folder.file("traffic")});
  ASSERT_TRUE(serve.address().ends_with("/v2/models/net\n")) << serve.address();
  HttpClient client(serve.port());
  EXPECT_EQ(client.get("/v2/health/ready").status, 200);
  nlohmann::json input{{"name", "x"}, {"shape", {2, 3, 8, 8}}, {"datatype", "FP32"}, {"data", std::vector<float>(2 * 3 * 8 * 8, 0.5F)}};
  const auto answer = client.post("/v2/models/net/infer", nlohmann::json{{"inputs", {input}}}.dump());
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(nlohmann::json::parse(answer.body).at("outputs").at(0).at("shape"), nlohmann::json({2, 4}));
  EXPECT_EQ(serve.stop(SIGTERM), 0);
  ASSERT_FALSE(fs::is_empty(folder.file("traffic")));
  EXPECT_EQ(read_safetensors(fs::directory_iterator(folder.file("traffic"))->path().string()).tensors.front().second.size(0), 2);
}

TEST(Serve, MistakesOnTheCommandLineAreUsage) {
  const TempFolder folder;
  const auto nothing = run_program("serve " + folder.file("nowhere"));
  EXPECT_EQ(nothing.status, 2);
  EXPECT_TRUE(contains(nothing.err, "nothing to serve")) << nothing.err;
  const auto lonely = run_program("serve " + folder.path() + " --shadow");
  EXPECT_EQ(lonely.status, 2);
  EXPECT_TRUE(contains(lonely.err, "--candidate")) << lonely.err;
  EXPECT_EQ(run_program("serve " + folder.path() + " --candidate x --shadow --canary 5").status, 2);
}

}  // namespace
}  // namespace dsc::test
