/* An external TFLite delegate that takes every RESHAPE node and copies its input, as a vendor's library would.
 *
 * The structs are those of tensorflow/lite/core/c/common.h, as far as they are used here. Options: `refuse` is an
 * error message; `builtin` is the operator to take, by default RESHAPE; `crash` ends the process; `hoard` takes so many
 * MB of memory, and does nothing more.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { int size; int data[]; } IntArray;
typedef struct { int type; void *data; IntArray *dims; float scale; int32_t zero_point; int allocation_type; size_t bytes;
                 const void *allocation; const char *name; void *delegate; int buffer_handle; char stale, variable;
                 int quantization; void *parameters, *sparsity; const IntArray *dims_signature; } Tensor;
typedef struct { IntArray *inputs, *outputs, *intermediates, *temporaries; void *user_data; } Node;
typedef struct Context Context;
typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*free)(Context *, void *);
    int (*prepare)(Context *, Node *);
    int (*invoke)(Context *, Node *);
    const char *(*profiling_string)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *external, *async_kernel;
    uint64_t inplace_operator;
} Registration;
typedef struct Delegate { void *data; int (*prepare)(Context *, struct Delegate *); void *copy_from, *copy_to, *free_handle;
                          int64_t flags; void *opaque_builder; } Delegate;
struct Context {
    size_t tensors_size;
    int (*execution_plan)(Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    void *resize_tensor, *report_error, *add_tensors;
    int (*node_and_registration)(Context *, int, Node **, Registration **);
    int (*replace)(Context *, Registration, const IntArray *, Delegate *);
};

static int copy(Context *context, Node *node) {
    Tensor *to = &context->tensors[node->outputs->data[0]];
    for (int i = 0; i < node->inputs->size; i++) { /* in no known order; the other one is the new shape */
        Tensor *from = &context->tensors[node->inputs->data[i]];
        if (from->bytes == to->bytes) { memcpy(to->data, from->data, to->bytes); return 0; }
    }
    return 1;
}

static int take(Context *context, Delegate *delegate) {
    IntArray *plan;
    if (context->execution_plan(context, &plan)) return 1;
    IntArray *taken = malloc(sizeof(IntArray) + plan->size * sizeof(int));
    taken->size = 0;
    for (int i = 0; i < plan->size; i++) {
        Node *node;
        Registration *registration;
        if (context->node_and_registration(context, plan->data[i], &node, &registration)) return 1;
        if (registration->builtin_code == (intptr_t)delegate->data) taken->data[taken->size++] = plan->data[i];
    }
    Registration kernel = {.invoke = copy, .custom_name = "Reshaper", .version = 1};
    int failed = taken->size ? context->replace(context, kernel, taken, delegate) : 0;
    free(taken);
    return failed;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
    intptr_t builtin = 22;
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(keys[i], "refuse")) { report(values[i]); return NULL; }
        if (!strcmp(keys[i], "crash")) abort();
        if (!strcmp(keys[i], "hoard")) { memset(malloc((size_t)atoi(values[i]) << 20), 1, (size_t)atoi(values[i]) << 20); pause(); }
        if (!strcmp(keys[i], "builtin")) builtin = atoi(values[i]);
    }
    Delegate *delegate = calloc(1, sizeof(Delegate));
    delegate->data = (void *)builtin;
    delegate->prepare = take;
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
