// How many threads a process should use.
#pragma once

#include <optional>

namespace dsc {

// The cores this process may keep busy: those of its affinity mask, no more than its control group's CPU quota (that of a
// container) lets it use, rounded up, and no more than OMP_NUM_THREADS says where it is set. Kernels' threads wait for each
// other spinning: one thread more than that makes training tens of times slower.
int available_cores();

// Of those as many as each of so many processes may use that share them; what OMP_NUM_THREADS says is for each process already.
int cores_for_each(int processes);

// What OMP_NUM_THREADS says: the number of "4" or, a number for each level of nesting, "4,2".
std::optional<int> omp_num_threads();

}  // namespace dsc
