/* The same work as child.mjs in C on the same libbpf. Prints one line of JSON: what no binding can be faster than. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 10000
#define KEY 16
#define VALUE 8
#define BATCH 1024
#define ADOPTIONS 1000

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double resident(void)
{
	char line[256];
	double kib = 0;
	FILE *status = fopen("/proc/self/status", "r");

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "VmRSS: %lf", &kib) == 1)
			break;
	if (status)
		fclose(status);
	return kib / 1024;
}

static int create(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_HASH, "bench", KEY, VALUE, ENTRIES, NULL);

	if (fd < 0)
		die("bpf_map_create");
	return fd;
}

/* Opens a pinned map again and again, and looks at what it is, as who adopts it has to. Microseconds for each. */
static double adopt(const char *pin)
{
	double at = now();

	for (int i = 0; i < ADOPTIONS; i++) {
		struct bpf_map_info info = {};
		__u32 size = sizeof(info);
		int fd = bpf_obj_get(pin);

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &size) || info.key_size != KEY ||
		    info.value_size != VALUE)
			die("adopt");
		close(fd);
	}
	return (now() - at) / ADOPTIONS / 1e3;
}

int main(int argc, char **argv)
{
	static unsigned char keys[ENTRIES * KEY], values[ENTRIES * VALUE];
	double set, get, del, set_many, read_all, adopt_one, load, attach, at;
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_link *link;
	__u32 count = ENTRIES, cursor, total = 0;
	int fd, cgroup, done = 0;
	void *in = NULL;

	if (argc != 4)
		return 2;
	for (int i = 0; i < ENTRIES; i++)
		memcpy(keys + i * KEY, &i, sizeof(i));

	fd = create();
	at = now();
	for (int i = 0; i < ENTRIES; i++)
		if (bpf_map_update_elem(fd, keys + i * KEY, values + i * VALUE, BPF_ANY))
			die("update");
	set = (now() - at) / ENTRIES;
	at = now();
	for (int i = 0; i < ENTRIES; i++)
		if (bpf_map_lookup_elem(fd, keys + i * KEY, values))
			die("lookup");
	get = (now() - at) / ENTRIES;
	at = now();
	for (int i = 0; i < ENTRIES; i++)
		if (bpf_map_delete_elem(fd, keys + i * KEY))
			die("delete");
	del = (now() - at) / ENTRIES;
	close(fd);

	fd = create();
	at = now();
	if (bpf_map_update_batch(fd, keys, values, &count, NULL))
		die("update batch");
	set_many = (now() - at) / ENTRIES;
	at = now();
	while (!done) {
		__u32 n = BATCH;
		int error = bpf_map_lookup_batch(fd, in, &cursor, keys, values, &n, NULL);

		/* ENOENT: that was the last batch. */
		if (error && n == 0 && total == 0)
			die("lookup batch");
		done = error != 0;
		total += n;
		in = &cursor;
	}
	read_all = (now() - at) / ENTRIES;
	if (total != ENTRIES)
		return 3;
	close(fd);
	adopt_one = adopt(argv[3]);

	at = now();
	object = bpf_object__open_file(argv[1], NULL);
	if (!object)
		die("open");
	/* Its twin for kernels before Linux 6.2, which the library leaves out on this one. */
	program = bpf_object__find_program_by_name(object, "mb_redirect_msg_by_calls");
	if (program)
		bpf_program__set_autoload(program, false);
	if (bpf_object__load(object))
		die("load");
	load = (now() - at) / 1e6;
	cgroup = open(argv[2], O_RDONLY);
	program = bpf_object__find_program_by_name(object, "mb_getpeername4");
	if (cgroup < 0 || !program)
		die("cgroup");
	at = now();
	link = bpf_program__attach_cgroup(program, cgroup);
	if (!link)
		die("attach");
	attach = (now() - at) / 1e3;
	printf("{\"set\":%f,\"get\":%f,\"delete\":%f,\"setMany\":%f,\"readAll\":%f,\"adopt\":%f,\"load\":%f,\"attach\":"
	       "%f,\"rss\":%f}\n",
	       set, get, del, set_many, read_all, adopt_one, load, attach, resident());
	bpf_link__destroy(link);
	bpf_object__close(object);
	return 0;
}
