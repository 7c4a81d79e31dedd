// Plain loops of what losses over distributions are made of.
#pragma once

#include <cmath>
#include <vector>

namespace dsc::test {

inline std::vector<double> softmax(const std::vector<double>& scores, double temperature = 1) {
  std::vector<double> p;
  double sum = 0;
  for (const double score : scores) sum += std::exp(score / temperature);
  for (const double score : scores) p.push_back(std::exp(score / temperature) / sum);
  return p;
}

// sum of teacher * log(teacher / student)
inline double kl(const std::vector<double>& teacher, const std::vector<double>& student) {
  double sum = 0;
  for (std::size_t i = 0; i < teacher.size(); ++i) {
    if (teacher[i] > 0) sum += teacher[i] * (std::log(teacher[i]) - std::log(student[i]));
  }
  return sum;
}

}  // namespace dsc::test
