#include "lora/cuda.cuh"
namespace lk::cuda {
bool takes_tensor_cores(const lora::Forward&) { return false; }
bool takes_tensor_cores(const lora::Backward&) { return false; }
lk_status lora_forward_tensor(const Context&, const lora::Forward&, const Matrix&) { return LK_INTERNAL; }
lk_status lora_backward_tensor(const Context&, const lora::Backward&) { return LK_INTERNAL; }
int64_t d_a_parts(int64_t, int64_t, int64_t) { return 1; }
int64_t d_b_parts(int64_t) { return 1; }
}
