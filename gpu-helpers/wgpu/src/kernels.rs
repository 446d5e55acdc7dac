//! An algorithm's kernels on a device, and what they see of memory. spec: KRN-4.2

use adit_helper::kernels::{Failure, JOB_WORDS, Kernels};
use wgpu::{
    BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout, BindGroupLayoutDescriptor,
    BindGroupLayoutEntry, BindingType, Buffer, BufferBindingType, BufferDescriptor, BufferUsages,
    ComputePipeline, ComputePipelineDescriptor, Device, PipelineCompilationOptions, PipelineLayout,
    PipelineLayoutDescriptor, ShaderModule, ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderSource,
    ShaderStages,
};

use crate::launcher::Errors;

/// Numbers of the bindings.
pub const JOB: u32 = 0;
pub const CONSTANTS: u32 = 1;
pub const RANGE: u32 = 2;
pub const RESULTS: u32 = 3;
pub const DIGESTS: u32 = 4;
pub const SCRATCH: u32 = 5;

const READ: BufferBindingType = BufferBindingType::Storage { read_only: true };
const WRITE: BufferBindingType = BufferBindingType::Storage { read_only: false };
const UNIFORM: BufferBindingType = BufferBindingType::Uniform;

/// What one kernel sees, the same for every algorithm.
pub struct Layout {
    bindings: BindGroupLayout,
    pipeline: PipelineLayout,
}

/// What each kernel sees.
pub struct Layouts {
    prepare: Layout,
    pub search: Layout,
    pub digest: Layout,
}

/// An algorithm's kernels.
pub struct Loaded {
    /// The algorithm's.
    pub id: u32,
    /// Items of a work group.
    pub group: u32,
    /// Bytes of scratch that an item needs.
    pub scratch: u64,
    /// Of one launch.
    pub most_items: u32,
    /// What `prepare` writes.
    pub constants: Buffer,
    /// `prepare` and what it sees.
    pub prepare: (ComputePipeline, BindGroup),
    pub search: ComputePipeline,
    pub digest: ComputePipeline,
}

impl Layouts {
    pub fn new(device: &Device) -> Self {
        Self {
            prepare: Layout::new(device, &[(JOB, READ), (CONSTANTS, WRITE)]),
            search: Layout::new(
                device,
                &[(CONSTANTS, UNIFORM), (RANGE, UNIFORM), (RESULTS, WRITE), (SCRATCH, WRITE)],
            ),
            digest: Layout::new(device, &[(JOB, READ), (RESULTS, WRITE), (DIGESTS, WRITE), (SCRATCH, WRITE)]),
        }
    }
}

impl Layout {
    fn new(device: &Device, bindings: &[(u32, BufferBindingType)]) -> Self {
        let entry = |&(binding, ty)| BindGroupLayoutEntry {
            binding,
            visibility: ShaderStages::COMPUTE,
            ty: BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let entries: Vec<_> = bindings.iter().map(entry).collect();
        let bindings =
            device.create_bind_group_layout(&BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipeline = device.create_pipeline_layout(&PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&bindings)],
            immediate_size: 0,
        });
        Self { bindings, pipeline }
    }

    /// Memory for a kernel to see.
    pub fn bind(&self, device: &Device, buffers: &[(u32, &Buffer)]) -> BindGroup {
        let entries: Vec<_> = buffers
            .iter()
            .map(|(binding, buffer)| BindGroupEntry {
                binding: *binding,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        device.create_bind_group(&BindGroupDescriptor {
            label: None,
            layout: &self.bindings,
            entries: &entries,
        })
    }

    fn compile(&self, device: &Device, module: &ShaderModule, name: &str) -> ComputePipeline {
        device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: None,
            layout: Some(&self.pipeline),
            module,
            entry_point: Some(name),
            compilation_options: PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..PipelineCompilationOptions::default()
            },
            cache: None,
        })
    }
}

impl Loaded {
    /// Compiles.
    ///
    /// # Errors
    /// [`Failure::Source`] with the compiler's words.
    pub fn compile(
        device: &Device,
        errors: &Errors,
        layouts: &Layouts,
        kernels: &Kernels,
        source: &str,
        (job, most_items): (&Buffer, u32),
    ) -> Result<Self, Failure> {
        let limits = device.limits();
        let most = limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x);
        if kernels.group > most {
            let text = format!("its groups have {} items, and this device allows {most}", kernels.group);
            return Err(Failure::Source(text));
        }
        let source = ShaderModuleDescriptor { label: None, source: ShaderSource::Wgsl(source.into()) };
        // SAFETY: without these checks a kernel can read and write what it should not, of this process's memory on
        // the device, and loop for ever; it comes from the host, as those of the other APIs, which know no checks,
        // and the host kills a helper that does not beat. With them loops cannot be unrolled.
        let module = unsafe { device.create_shader_module_trusted(source, ShaderRuntimeChecks::unchecked()) };
        errors.none_of_source()?;
        let constants = buffer(device, kernels.constants.next_multiple_of(4), BufferUsages::UNIFORM);
        let prepare = layouts.prepare.compile(device, &module, "prepare");
        let seen = layouts.prepare.bind(device, &[(JOB, job), (CONSTANTS, &constants)]);
        let loaded = Self {
            id: kernels.id,
            group: kernels.group,
            scratch: kernels.scratch as u64,
            most_items,
            constants,
            prepare: (prepare, seen),
            search: layouts.search.compile(device, &module, "search"),
            digest: layouts.digest.compile(device, &module, "digest"),
        };
        errors.none_of_source()?;
        Ok(loaded)
    }
}

/// The job's words on the device.
pub fn job_buffer(device: &Device) -> Buffer {
    buffer(device, JOB_WORDS, BufferUsages::COPY_DST)
}

/// Memory on the device that kernels read and write.
pub fn buffer(device: &Device, words: usize, also: BufferUsages) -> Buffer {
    device.create_buffer(&BufferDescriptor {
        label: None,
        size: 4 * words as u64,
        usage: BufferUsages::STORAGE | also,
        mapped_at_creation: false,
    })
}
