# A relocatable tree: bin, lib (with LibTorch's and OpenVINO's libraries beside ours), headers, CMake package.
