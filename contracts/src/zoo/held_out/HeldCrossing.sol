// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// @title Who signs for the other side; the messenger may change it.
/// @notice WRITTEN FOR DRILLS.
contract HeldKeeperBook {
    address public keeper;
    address public messenger;

    event KeeperChanged(address indexed keeper);

    constructor(address keeper_) {
        keeper = keeper_;
    }

    /// @notice Once.
    function bind(address messenger_) external {
        require(messenger == address(0), "bound");
        messenger = messenger_;
    }

    /// @notice Another keeper.
    function setKeeper(address keeper_) external {
        require(msg.sender == messenger, "not the messenger");
        keeper = keeper_;
        emit KeeperChanged(keeper_);
    }
}

/// @title Does here what was asked for on the other side.
/// @notice WRITTEN FOR DRILLS. Sound but for one thing, the flaw: a message may be meant for the book of keepers.
contract HeldMessenger {
    HeldKeeperBook private immutable _book;
    mapping(uint256 number => bool done) public done;

    event Delivered(uint256 indexed number, address indexed target, bool success);

    constructor(HeldKeeperBook book) {
        _book = book;
    }

    /// @notice Delivers message `number`, which the keeper signed.
    function deliver(uint256 number, address target, bytes calldata data, uint8 v, bytes32 r, bytes32 s) external {
        require(!done[number], "done");
        bytes32 hash = keccak256(abi.encode(address(this), number, target, data));
        require(ecrecover(hash, v, r, s) == _book.keeper(), "not signed");
        done[number] = true;
        (bool success,) = target.call(data);
        emit Delivered(number, target, success);
    }
}

/// @title Keeps what is on the other side.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldLockbox {
    using SafeERC20 for IERC20;

    IERC20 public immutable token;
    address private immutable _messenger;

    event Locked(address indexed from, uint256 amount);
    event Unlocked(address indexed to, uint256 amount);

    constructor(IERC20 token_, address messenger) {
        token = token_;
        _messenger = messenger;
    }

    /// @notice Locks, for the other side.
    function lock(uint256 amount) external {
        token.safeTransferFrom(msg.sender, address(this), amount);
        emit Locked(msg.sender, amount);
    }

    /// @notice The messenger unlocks.
    function unlock(address to, uint256 amount) external {
        require(msg.sender == _messenger, "not the messenger");
        token.safeTransfer(to, amount);
        emit Unlocked(to, amount);
    }
}

/// @title What stands here for a token of the other side.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldTwinToken is ERC20 {
    address private immutable _messenger;

    constructor(address messenger) ERC20("Held Twin", "hTWIN") {
        _messenger = messenger;
    }

    /// @notice The messenger makes what was locked there.
    function mint(address to, uint256 amount) external {
        require(msg.sender == _messenger, "not the messenger");
        _mint(to, amount);
    }

    /// @notice And back.
    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }
}

/// @title Makes the wallets that were promised, at addresses that follow from a count.
/// @notice WRITTEN FOR DRILLS. The flaw of those who use it: whoever comes first has the address.
contract HeldWalletMaker {
    event Made(address indexed wallet);

    /// @notice Makes the next wallet, for `owner`.
    function make(address owner) external returns (HeldCountedWallet wallet) {
        wallet = new HeldCountedWallet(owner);
        emit Made(address(wallet));
    }
}

/// @title A wallet that does what its owner says.
/// @notice WRITTEN FOR DRILLS. Sound.
contract HeldCountedWallet {
    address public immutable owner;

    constructor(address owner_) {
        owner = owner_;
    }

    receive() external payable {}

    /// @notice Calls `target`.
    function execute(address target, uint256 value, bytes calldata data) external {
        require(msg.sender == owner, "not yours");
        (bool success,) = target.call{value: value}(data);
        require(success, "failed");
    }
}
