// What attacks accept.
#include "attack/attack.h"

namespace dsc {
namespace {

constexpr const char* kPixels = "of 255";

void visit_epsilon(FieldVisitor& visit, double& epsilon) {
  visit("epsilon", epsilon, {.text = "Largest change of a pixel, before normalisation.", .unit = kPixels, .minimum = 0, .maximum = 255});
}

}  // namespace

std::string name_of(const Attack& attack) {
  return std::visit([](const auto& options) { return std::string(options.kName); }, attack);
}

void Fgsm::fields(FieldVisitor& visit) { visit_epsilon(visit, epsilon); }

void Pgd::fields(FieldVisitor& visit) {
  visit_epsilon(visit, epsilon);
  visit("step_size", step_size, {.text = "Change of every pixel in one step.", .unit = kPixels, .minimum = 0, .maximum = 255});
  visit("steps", steps, {.text = "Steps, each a forward and a backward run.", .minimum = 1, .maximum = 10000});
  visit("random_start", random_start, {.text = "Start anywhere within epsilon, not at the picture itself."});
}

void AutoPgd::fields(FieldVisitor& visit) {
  visit_epsilon(visit, epsilon);
  visit("steps", steps, {.text = "Steps, each a forward and a backward run.", .minimum = 1, .maximum = 10000});
}

}  // namespace dsc
