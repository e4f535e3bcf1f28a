#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/nitro_enclaves.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "enclave.h"
#include "memory.h"
#include "record.h"

#define MIB (1ull << 20)
#define REGION_STEP (2 * MIB)
#define MEMORY_MINIMUM (64 * MIB)
#define USER_END 0x7ffffffff000ull /* 47 bit addresses less the guard page */
#define PARENT_CID 3
#define VSOCK_LOCAL_CID 0x7b9 /* IOCTL_VM_SOCKETS_GET_LOCAL_CID */

/* One file for each device, reopened for each open: its inode is how descriptors are known again. */
static int device_file = -1, vsock_file = -1;

static int reopen(int *file, const char *name, int flags) {
  if (*file < 0) *file = memfd_create(name, MFD_CLOEXEC);
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", *file);
  return open(path, (flags & (O_ACCMODE | O_NONBLOCK)) | O_CLOEXEC);
}

void driver_open(struct call *call, const char *path, int flags) {
  bool nitro = strcmp(path, "/dev/nitro_enclaves") == 0;
  const char *state = json_string(config, "device", "present");
  int error = 0;
  if (nitro) {
    error = fault_take(call, "open");
    if (error == FAULT_DELAYED) return;
    if (error == 0 && strcmp(state, "absent") == 0) error = ENOENT;
    if (error == 0 && strcmp(state, "denied") == 0) error = EACCES;
    struct line line;
    record_begin(&line, "open");
    line_string(&line, "path", path);
    line_hex(&line, "flags", (uint64_t)flags);
    line_int(&line, "errno", error);
    line_error(&line, error);
    record_end(&line);
  }
  if (error) {
    answer_error(call, error);
    return;
  }
  int fd = nitro ? reopen(&device_file, "nitro_enclaves", flags) : reopen(&vsock_file, "vsock", flags);
  answer_fd(call, fd, flags & O_CLOEXEC);
  close(fd);
}

static bool is_device(struct file_id id, int own) { return own >= 0 && same_file(id, file_id_of(own)); }

static void create_vm(struct call *call) {
  int error = fault_take(call, "NE_CREATE_VM"), fd = -1;
  if (error == FAULT_DELAYED) return;
  struct enclave *enclave = NULL;
  if (error == 0 && cpus_free_cores() == 0) error = NE_ERR_NO_CPUS_AVAIL_IN_POOL;
  if (error == 0 && !(enclave = enclave_create(target_process(call->thread), &fd))) error = EMFILE;
  if (error == 0) error = fault_take(NULL, "SLOT_ALLOC");
  if (error == 0 && !target_write(call->thread, call->args[2], &enclave->slot, sizeof enclave->slot)) error = EFAULT;
  if (error == 0) {
    int number = answer_fd(call, fd, true);
    if (number < 0) error = -number;
  } else {
    answer_error(call, error);
  }
  struct line line;
  record_begin(&line, "NE_CREATE_VM");
  if (enclave && !error) line_int(&line, "slot_uid", (int64_t)enclave->slot);
  line_int(&line, "errno", error);
  if (error) line_error(&line, error);
  else line_string(&line, "error", "");
  record_end(&line);
  if (error && enclave) enclave_discard(enclave);
  if (fd >= 0) close(fd);
}

static int add_vcpu(struct call *call, struct enclave *enclave, uint32_t *id) {
  if (!target_read(call->thread, call->args[2], id, sizeof *id)) return EFAULT;
  if (enclave->state != ENCLAVE_INIT) return NE_ERR_NOT_IN_INIT_STATE;
  int error = cpus_take(enclave, id);
  if (error) return error;
  if (target_process(call->thread) != enclave->process) return EIO;
  if ((error = fault_take(NULL, "SLOT_ADD_VCPU"))) return error; /* the core stays with the enclave */
  cpus_added(enclave, *id);
  return target_write(call->thread, call->args[2], id, sizeof *id) ? 0 : EFAULT;
}

static void on_add_vcpu(struct call *call, struct enclave *enclave) {
  uint32_t asked = 0, id = 0;
  int error = fault_take(call, "NE_ADD_VCPU");
  if (error == FAULT_DELAYED) return;
  target_read(call->thread, call->args[2], &asked, sizeof asked);
  if (error == 0) error = add_vcpu(call, enclave, &id);
  struct line line;
  record_begin(&line, "NE_ADD_VCPU");
  line_int(&line, "fd", (int64_t)call->args[0]);
  line_int(&line, "vcpu_in", asked);
  if (error == 0) line_int(&line, "vcpu_out", id);
  line_result(&line, error);
  record_end(&line);
  answer_error(call, error);
}

static void on_load_info(struct call *call, struct enclave *enclave) {
  struct ne_image_load_info info = {0};
  int error = fault_take(call, "NE_GET_IMAGE_LOAD_INFO");
  if (error == FAULT_DELAYED) return;
  bool readable = target_read(call->thread, call->args[2], &info, sizeof info);
  uint64_t flags = info.flags;
  if (error == 0 && !readable) error = EFAULT;
  if (error == 0 && enclave->state != ENCLAVE_INIT) error = NE_ERR_NOT_IN_INIT_STATE;
  if (error == 0 && flags != NE_EIF_IMAGE) error = NE_ERR_INVALID_FLAG_VALUE;
  if (error == 0) {
    info.memory_offset = IMAGE_OFFSET;
    if (!target_write(call->thread, call->args[2], &info, sizeof info)) error = EFAULT;
  }
  struct line line;
  record_begin(&line, "NE_GET_IMAGE_LOAD_INFO");
  line_int(&line, "fd", (int64_t)call->args[0]);
  line_int(&line, "flags", (int64_t)flags);
  if (error == 0) line_int(&line, "memory_offset", (int64_t)info.memory_offset);
  line_result(&line, error);
  record_end(&line);
  answer_error(call, error);
}

static bool overlaps(const struct enclave *enclave, uint64_t address, uint64_t size) {
  for (struct region *region = enclave->regions; region; region = region->next)
    if ((region->address <= address && address < region->address + region->size) ||
        (address <= region->address && region->address < address + size))
      return true;
  return false;
}

static int set_region(struct call *call, struct enclave *enclave, const struct ne_user_memory_region *region) {
  uint64_t address = region->userspace_addr, size = region->memory_size;
  unsigned physical;
  if (region->flags >= NE_MEMORY_REGION_MAX_FLAG_VAL) return NE_ERR_INVALID_FLAG_VALUE;
  if (enclave->state != ENCLAVE_INIT) return NE_ERR_NOT_IN_INIT_STATE;
  if (target_process(call->thread) != enclave->process) return EIO;
  if (size % REGION_STEP != 0) return NE_ERR_INVALID_MEM_REGION_SIZE;
  if (address % REGION_STEP != 0) return NE_ERR_UNALIGNED_MEM_REGION_ADDR;
  if (address > USER_END || size > USER_END - address) return NE_ERR_INVALID_MEM_REGION_ADDR;
  if (overlaps(enclave, address, size)) return NE_ERR_MEM_REGION_ALREADY_USED;
  if (size == 0) return ENOMEM;
  int error = memory_check_pages(enclave->process, address, size, &physical);
  if (error) return error;
  if (enclave->physical_regions + physical > (uint64_t)json_int(config, "maxRegions", 2048))
    return NE_ERR_MEM_MAX_REGIONS;
  if ((error = fault_take(NULL, "SLOT_ADD_MEM"))) return error;
  struct region *added = calloc(1, sizeof *added);
  *added = (struct region){.address = address, .size = size};
  *enclave->last_region = added;
  enclave->last_region = &added->next;
  enclave->memory += size;
  enclave->physical_regions += physical;
  return 0;
}

static void on_memory_region(struct call *call, struct enclave *enclave) {
  struct ne_user_memory_region region = {0};
  int error = fault_take(call, "NE_SET_USER_MEMORY_REGION");
  if (error == FAULT_DELAYED) return;
  bool readable = target_read(call->thread, call->args[2], &region, sizeof region);
  if (error == 0) error = readable ? set_region(call, enclave, &region) : EFAULT;
  struct line line;
  record_begin(&line, "NE_SET_USER_MEMORY_REGION");
  line_int(&line, "fd", (int64_t)call->args[0]);
  line_int(&line, "flags", (int64_t)region.flags);
  line_int(&line, "memory_size", (int64_t)region.memory_size);
  line_hex(&line, "userspace_addr", region.userspace_addr);
  line_result(&line, error);
  record_end(&line);
  answer_error(call, error);
}

static uint32_t choose_cid(void) {
  uint32_t cid = (uint32_t)json_int(config, "firstCid", 16);
  while (enclave_of_cid(cid)) cid++;
  return cid;
}

static int start(struct enclave *enclave, const struct ne_enclave_start_info *info, uint32_t *cid) {
  if (info->flags >= NE_ENCLAVE_START_MAX_FLAG_VAL) return NE_ERR_INVALID_FLAG_VALUE;
  if ((info->enclave_cid > 0 && info->enclave_cid <= PARENT_CID) || info->enclave_cid >= UINT32_MAX)
    return NE_ERR_INVALID_ENCLAVE_CID;
  if (enclave->state != ENCLAVE_INIT) return NE_ERR_NOT_IN_INIT_STATE;
  if (!enclave->regions) return NE_ERR_NO_MEM_REGIONS_ADDED;
  if (enclave->memory < MEMORY_MINIMUM) return NE_ERR_ENCLAVE_MEM_MIN_SIZE;
  if (enclave->vcpus == 0) return NE_ERR_NO_VCPUS_ADDED;
  if (!cpus_full_cores(enclave)) return NE_ERR_FULL_CORES_NOT_USED;
  image_check(enclave);
  /* What the hypervisor answers to a CID in use is not documented; the driver passes its number on. */
  if (info->enclave_cid != 0 && enclave_of_cid((uint32_t)info->enclave_cid)) return EEXIST;
  *cid = info->enclave_cid ? (uint32_t)info->enclave_cid : choose_cid();
  return fault_take(NULL, "ENCLAVE_START");
}

static void on_start(struct call *call, struct enclave *enclave) {
  struct ne_enclave_start_info info = {0};
  uint32_t cid = 0;
  int error = fault_take(call, "NE_START_ENCLAVE");
  if (error == FAULT_DELAYED) return;
  bool readable = target_read(call->thread, call->args[2], &info, sizeof info);
  if (error == 0) error = readable ? start(enclave, &info, &cid) : EFAULT;
  uint64_t cid_in = info.enclave_cid;
  bool started = error == 0;
  info.enclave_cid = cid;
  if (started && !target_write(call->thread, call->args[2], &info, sizeof info)) error = EFAULT;
  struct line line;
  record_begin(&line, "NE_START_ENCLAVE");
  line_int(&line, "fd", (int64_t)call->args[0]);
  line_int(&line, "flags", (int64_t)info.flags);
  line_int(&line, "cid_in", (int64_t)cid_in);
  if (started) line_int(&line, "cid_out", cid);
  line_int(&line, "memory", (int64_t)enclave->memory);
  line_int(&line, "vcpus", enclave->vcpus);
  line_result(&line, error);
  record_end(&line);
  if (started) {
    enclave->cid = cid;
    enclave->flags = info.flags;
    enclave_started(enclave);
  }
  answer_error(call, error);
}

static void on_other(struct call *call) {
  struct line line;
  record_begin(&line, "ioctl");
  line_int(&line, "fd", (int64_t)call->args[0]);
  line_hex(&line, "request", (uint32_t)call->args[1]);
  line_result(&line, ENOTTY);
  record_end(&line);
  answer_error(call, ENOTTY);
}

void on_ioctl(struct call *call) {
  uint32_t request = (uint32_t)call->args[1];
  struct file_id id;
  if (!target_file(call, (int)call->args[0], &id)) {
    answer_continue(call);
    return;
  }
  struct enclave *enclave = enclave_of_file(id);
  if (is_device(id, vsock_file) && request == VSOCK_LOCAL_CID) {
    uint32_t cid = PARENT_CID;
    answer_error(call, target_write(call->thread, call->args[2], &cid, sizeof cid) ? 0 : EFAULT);
  } else if (is_device(id, device_file)) {
    if (request == NE_CREATE_VM) create_vm(call);
    else on_other(call);
  } else if (enclave) {
    if (request == NE_ADD_VCPU) on_add_vcpu(call, enclave);
    else if (request == NE_GET_IMAGE_LOAD_INFO) on_load_info(call, enclave);
    else if (request == NE_SET_USER_MEMORY_REGION) on_memory_region(call, enclave);
    else if (request == NE_START_ENCLAVE) on_start(call, enclave);
    else on_other(call);
  } else {
    answer_continue(call);
  }
}
